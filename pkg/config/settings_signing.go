package config

import (
	"crypto"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/provider/software"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func declareSigning(d *declaration, c *Config) {
	d.group = "Signing"
	s := &c.Signing
	d.add("signing.pkcs12.file", "FILE", text{&s.PKCS12File},
		"PKCS#12 file (DER or BER) to sign with instead of a remote service. It holds the key and the certificate "+
			"chain, in any order.")
	d.add("signing.pkcs12.password-file", "FILE", text{&s.PKCS12PasswordFile},
		"File whose first line is the password of the PKCS#12 file.").
		Default = "an empty password"
	keys := choice[software.KeyType]{&s.EmbeddedKey, software.KeyTypes}
	d.add("signing.embedded.algorithm", keys.form("", "|"), keys,
		"Kind of the embedded key, which is created at the first start.")
	digests := named[crypto.Hash]{&s.Digest, []name[crypto.Hash]{
		{"SHA-256", crypto.SHA256}, {"SHA-384", crypto.SHA384}, {"SHA-512", crypto.SHA512},
	}}
	d.add("signing.digest.algorithm", digests.form("", "|"), digests,
		"Digest algorithm of signatures that a PKCS#12 file or the embedded key makes.").
		Default = "SHA-256; for P-384 and P-521 the digest of the curve's size"
	schemes := named[signing.SignatureAlgorithm]{&s.RSAScheme, []name[signing.SignatureAlgorithm]{
		{"PKCS1", signing.RSAPKCS1}, {"PSS", signing.RSAPSS},
	}}
	d.add("signing.rsa.scheme", schemes.form("", "|"), schemes,
		"How an RSA key of a PKCS#12 file, or the embedded RSA key, signs: RSASSA-PKCS1-v1_5 or RSASSA-PSS.")
	d.add("signing.batch.quiet", "DURATION", duration{&s.Batch.Quiet, time.Microsecond, time.Second},
		"A call that is not full leaves for an idle credential when no further digest has arrived for this time. The "+
			"time is cut to a tenth of the duration of such calls. It is up to twenty times as long if clients that have "+
			"just shared a call are likely to come back.")
	d.add("signing.batch.max-wait.sync", "DURATION", duration{&s.Batch.MaxWaitSync, time.Millisecond, time.Minute},
		"Longest time that a digest of a synchronous request waits for others to share a call with.")
	d.add("signing.batch.max-wait.async", "DURATION", duration{&s.Batch.MaxWaitAsync, time.Millisecond, time.Minute},
		"The same for asynchronous requests.")
	d.add("signing.call.timeout", "DURATION", duration{&s.Batch.CallTimeout, time.Second, time.Hour},
		"Longest wait for the answer of one remote signing call. After it the outcome is unknown.")
	d.add("signing.tries", "COUNT", number{&s.Tries, 1, 100},
		"How often an operation that failed because of the remote service is retried before it is given up.")
	d.add("signing.retry.backoff", "DURATION", duration{&s.Backoff, time.Millisecond, day},
		"Time between these retries.")
	unknown := choice[signing.UnknownPolicy]{&s.UnknownOutcome, []signing.UnknownPolicy{
		signing.UnknownRetry, signing.UnknownFail,
	}}
	d.add("signing.unknown-outcome", unknown.form("", "|"), unknown,
		"What happens when the answer of the remote service was lost and cannot be fetched. retry: signs again; a "+
			"signature may be paid for twice, and the lost one is counted as unknown. fail: the document fails.")
	d.add("einvoice-integration-client.scheduler.task.handleSignatureTasks.lock-time",
		"MINUTES", minutes{&s.Deadline, 1, 60 * 24 * 365},
		"Longest duration of an operation in minutes, from acceptance to its end, including retries.")
}

func declareVisible(d *declaration, c *Config) {
	d.group = "Visible signatures"
	d.add("visible.fonts", "FOLDER", text{&c.Visible.Fonts},
		"Folder with TrueType and OpenType fonts (.ttf, .otf, .ttc) for characters that the built-in fonts lack. They "+
			"are tried in the order of their file names. At most 64 fonts, 32 MiB each and 64 MiB in all. They are read "+
			"at the start and stay in memory.")
	d.add("visible.allow-clipping", "TRUE|FALSE", boolean{&c.Visible.AllowClipping},
		"TRUE also signs if a visible signature at a coordinate or a placeholder lies partly outside its page. "+
			"Readers then show only the part on the page.")
}

func declareXAdES(d *declaration, c *Config) {
	d.group = "XML signatures"
	d.add("xades.profiles", "FILE", text{&c.XAdES.Profiles},
		"YAML file with profiles of XAdES signatures of your own, which requests name in signatureInfo.profile. They add "+
			"to the embedded ones and may replace them; pkg/xades/README.md describes the file. It is read at the start, "+
			"and a mistake in it prevents the start.")
}

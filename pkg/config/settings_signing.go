package config

import "time"

func declareSigning(d *declaration, c *Config) {
	d.group = "Signing"
	s := &c.Signing
	d.add(
		"signing.pkcs12.file",
		"FILE",
		text{&s.PKCS12File},
		"PKCS#12 file (DER or BER) with key and certificate chain, in any order, to sign with in place of a remote service.",
	)
	d.add("signing.pkcs12.password-file", "FILE", text{&s.PKCS12PasswordFile}, "File whose first line is the password of the PKCS#12 file.").
		Default = "an empty password"
	keys := choice[KeyAlgorithm]{&s.EmbeddedKey, []KeyAlgorithm{RSA2048, RSA3072, RSA4096, P256, P384, P521}}
	d.add("signing.embedded.algorithm", keys.form("", "|"), keys, "Kind of the embedded key, made at the first start.")
	digests := choice[Digest]{&s.Digest, []Digest{SHA256, SHA384, SHA512}}
	d.add("signing.digest.algorithm", digests.form("", "|"), digests, "Digest algorithm of signatures made with a PKCS#12 file or the embedded key.").
		Default = "SHA-256; for P-384 and P-521 the one of the curve's size"
	schemes := choice[RSAScheme]{&s.RSAScheme, []RSAScheme{PKCS1, PSS}}
	d.add(
		"signing.rsa.scheme",
		schemes.form("", "|"),
		schemes,
		"How an RSA key of a PKCS#12 file or the embedded one signs: RSASSA-PKCS1-v1_5 or RSASSA-PSS.",
	)
	d.add(
		"signing.batch.quiet",
		"DURATION",
		duration{&s.Quiet, time.Microsecond, time.Second},
		"How long no further digest may have come before a call that is not full leaves for an idle credential. It is cut to a tenth of what "+
			"such calls take, and up to twenty times as long where clients that have just shared a call are likely to come back.",
	)
	d.add("signing.batch.max-wait.sync", "DURATION", duration{&s.MaxWaitSync, time.Millisecond, time.Minute},
		"Longest wait of a digest for others to share a call with, where a client waits.")
	d.add(
		"signing.batch.max-wait.async",
		"DURATION",
		duration{&s.MaxWaitAsync, time.Millisecond, time.Minute},
		"The same where nobody waits.",
	)
	d.add("signing.call.timeout", "DURATION", duration{&s.CallTimeout, time.Second, time.Hour},
		"Longest wait for the answer of one remote signing call; after it the outcome is unknown.")
	d.add("signing.tries", "COUNT", number{&s.Tries, 1, 100},
		"How many times an operation that failed for the remote side's reasons is tried again before it is given up.")
	d.add("signing.retry.backoff", "DURATION", duration{&s.Backoff, time.Millisecond, day}, "Time between those tries.")
	unknown := choice[UnknownOutcome]{&s.UnknownOutcome, []UnknownOutcome{UnknownRetry, UnknownFail}}
	d.add(
		"signing.unknown-outcome",
		unknown.form("", "|"),
		unknown,
		"What happens when the answer of the remote service was lost and cannot be fetched: retry signs again (a signature may be paid for twice, and is "+
			"counted as unknown), fail gives the document up.",
	)
	d.add(
		"einvoice-integration-client.scheduler.task.handleSignatureTasks.lock-time",
		"MINUTES",
		minutes{&s.Deadline, 1, 60 * 24 * 365},
		"Upper bound in minutes on an operation, from acceptance to its end, retries included.",
	)
}

func declareVisible(d *declaration, c *Config) {
	d.group = "Visible signatures"
	d.add(
		"visible.fonts",
		"FOLDER",
		text{&c.Visible.Fonts},
		"Folder with TrueType and OpenType fonts (.ttf, .otf, .ttc) for characters that the built-in fonts lack, tried in the order of their file "+
			"names: at most 64 fonts, 32 MiB each, 64 MiB in all. They are read at the start and stay in memory.",
	)
	d.add(
		"visible.allow-clipping",
		"TRUE|FALSE",
		boolean{&c.Visible.AllowClipping},
		"TRUE signs although a visible signature at a coordinate or a placeholder lies partly outside its page. Readers show only the part on the page.",
	)
}

func declareHotFolder(d *declaration, c *Config) {
	d.group = "Hot folder (not available yet)"
	h := &c.HotFolder
	d.add(
		"hot.folder.enabled",
		"TRUE|FALSE",
		boolean{&h.Enabled},
		"Hot-folder mode. It is not available yet: TRUE stops the start.",
	)
	d.add(
		"einvoice-integration-client.hot.folder.documents.processing.threshold",
		"COUNT",
		number{&h.Threshold, 1, 10_000_000},
		"Files needed in an input folder before a run starts.",
	)
	d.add(
		"einvoice-integration-client.scheduler.task.processHotFoldersByDocumentThreshold.cron-expression",
		"CRON",
		cron{&h.Cron},
		"When input folders are counted: second, minute, hour, day, month, weekday.",
	)
}

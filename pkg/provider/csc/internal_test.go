package csc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/servertest"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestTOTP uses the last six digits of the vectors in RFC 6238 appendix B.
func TestTOTP(t *testing.T) {
	const secret = "GEZD GNBV-GY3TQOJQGEZDGNBVGY3TQOJQ====" // 12345678901234567890
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037",
	} {
		if got, err := totp(secret, time.Unix(at, 0)); err != nil || got != want {
			t.Errorf("totp at %d = %q, %v; want %q", at, got, err, want)
		}
	}
	// The same key in both alphabets of base64, and a key that can only be base64.
	for _, text := range []string{
		"MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA", "gezdgnbvgy3tqojqgezdgnbvgy3tqojq",
	} {
		if got, err := totp(text, time.Unix(59, 0)); err != nil || got != "287082" {
			t.Errorf("totp of %s = %q, %v; want 287082", text, got, err)
		}
	}
	if key, err := totpKey("RDXYgV9qju-6_7GnMf1vCbKexXVJmUVr-86Wq_8aIGg="); err != nil || len(key) != 32 ||
		key[0] != 0x44 {
		t.Errorf("key of 32 bytes in base64url = %x, %v", key, err)
	}
	if _, err := totp("not base32!", time.Unix(0, 0)); err == nil || strings.Contains(err.Error(), "not base32!") {
		t.Errorf("totp of a wrong secret = %v, want an error without the secret", err)
	}
}

// TestTOTPAfterClockWasAhead checks that signing goes on after the clock is set back, and that no
// password is sent twice after small corrections.
func TestTOTPAfterClockWasAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			last   int64 // steps by which the clock was ahead
			turnIn time.Duration
			want   int64
		}{
			"not at all":                   {-1, 0, 0},
			"a little":                     {3, 0, 4},
			"not at all, but others wait":  {19, 19 * totpStep, 20},
			"a year":                       {365 * 24 * 120, 0, 0},
			"a year, and some waited then": {365*24*120 + 2, 2 * totpStep, 0},
		} {
			now := time.Now()
			this := now.Unix() / 30
			g := guard{step: this + test.last, turnAt: now.Add(test.turnIn)}
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			if at, f := g.turn(ctx); f != nil || at.Unix()/30 != this+test.want || g.step != this+test.want {
				t.Errorf("%s: step = %d, %v, want %d", name, at.Unix()/30-this, f, test.want)
			}
			cancel()
		}
	})
}

func TestChoose(t *testing.T) {
	rsaKey, ecKey := &rsa.PublicKey{N: big.NewInt(1)}, &ecdsa.PublicKey{Curve: elliptic.P256()}
	cases := []struct {
		name    string
		oids    string
		key     crypto.PublicKey
		hash    crypto.Hash
		want    signing.SignatureAlgorithm
		oid     string // "" = refused
		kind    signing.SignatureAlgorithm
		chosen  crypto.Hash
		implied bool
	}{
		{
			"bound", "1.2.840.113549.1.1.1 1.2.840.113549.1.1.11", rsaKey, 0, "", "1.2.840.113549.1.1.11", signing.RSAPKCS1,
			crypto.SHA256, true,
		},
		{
			"plain", "1.2.840.113549.1.1.1", rsaKey, crypto.SHA384, "", "1.2.840.113549.1.1.1", signing.RSAPKCS1, crypto.SHA384,
			false,
		},
		{
			"only SHA-512", "1.2.840.113549.1.1.13 1.2.840.113549.1.1.10", rsaKey, 0, "", "1.2.840.113549.1.1.13",
			signing.RSAPKCS1, crypto.SHA512, true,
		},
		{
			"PSS wanted", "1.2.840.113549.1.1.11 1.2.840.113549.1.1.10", rsaKey, 0, signing.RSAPSS, "1.2.840.113549.1.1.10",
			signing.RSAPSS, crypto.SHA256, false,
		},
		{"SHA-1 only", "1.2.840.113549.1.1.5", rsaKey, 0, "", "", "", 0, false},
		{"ECDSA", "1.2.840.10045.4.3.3", ecKey, 0, "", "1.2.840.10045.4.3.3", signing.ECDSA, crypto.SHA384, true},
		{"EC key named", "1.2.840.10045.2.1", ecKey, 0, "", "1.2.840.10045.2.1", signing.ECDSA, crypto.SHA256, false},
		{"RSA algorithm, EC key", "1.2.840.113549.1.1.11", ecKey, 0, "", "", "", 0, false},
		{"nothing", "", rsaKey, 0, "", "", "", 0, false},
		{"Ed25519", "1.3.101.112", nil, 0, "", "", "", 0, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, f := choose(strings.Fields(c.oids), c.key, c.hash, c.want)
			if f != nil {
				if c.oid != "" || f.Kind != signing.KindConfiguration {
					t.Errorf("choose = %v, want %s", f.Error, c.oid)
				}
				return
			}
			if got.oid != c.oid || got.SignatureAlgorithm != c.kind || got.hash != c.chosen || got.implied != c.implied ||
				(got.params != "") != (c.kind == signing.RSAPSS) {
				t.Errorf("choose = %+v, want %s %s %v implied %v", got, c.oid, c.kind, c.chosen, c.implied)
			}
		})
	}
}

// TestIsVersion1 checks the version for values of specs in info, and for base paths if specs is
// empty.
func TestIsVersion1(t *testing.T) {
	for _, c := range []struct {
		specs, base string
		want        bool
	}{
		{"1.0.4.0", "https://x/csc/v2", true}, {"v1.0.4.0", "https://x/api", true}, {" V1.0.3.0 ", "https://x/api", true},
		{"0.1.7.9", "https://x", true},
		{"1", "https://x", true}, {"2.0.0.2", "https://x/csc/v1", false}, {"v2.1", "https://x/csc/v1", false},
		{"10.0", "https://x", false},
		{"", "https://x/csc/v1", true}, {"", "https://x/csc/v0", true}, {"", "https://x/csc/v2", false},
	} {
		if got := isVersion1(c.specs, c.base); got != c.want {
			t.Errorf("isVersion1(%q, %q) = %v, want %v", c.specs, c.base, got, c.want)
		}
	}
}

// TestPSSParams compares the parameters with those of every certificate signed with PSS and
// SHA-256.
func TestPSSParams(t *testing.T) {
	const want = "3034a00f300d06096086480165030402010500" +
		"a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120"
	der, err := base64.StdEncoding.DecodeString(pssParams(crypto.SHA256, "2.16.840.1.101.3.4.2.1"))
	if got := hex.EncodeToString(der); err != nil || got != want {
		t.Errorf("pssParams = %s, %v; want %s", got, err, want)
	}
}

func TestDerECDSA(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		digest := make([]byte, 32)
		size := (curve.Params().BitSize + 7) / 8
		for range 50 { // r and s are short only by chance
			r, s, err := ecdsa.Sign(rand.Reader, key, digest)
			if err != nil {
				t.Fatal(err)
			}
			raw := append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
			der := derECDSA(raw, size)
			if !ecdsa.VerifyASN1(&key.PublicKey, digest, der) {
				t.Fatalf("%s: derECDSA(%x) = %x, which does not verify", curve.Params().Name, raw, der)
			}
			if again := derECDSA(der, size); string(again) != string(der) {
				t.Fatalf("%s: derECDSA changed DER", curve.Params().Name)
			}
		}
	}
	if got := derECDSA([]byte{1, 2, 3}, 32); string(got) != "\x01\x02\x03" {
		t.Errorf("derECDSA of three bytes = %x, want them as they were", got)
	}
}

func TestWireForms(t *testing.T) {
	var a credentialAnswer
	err := json.Unmarshal(
		[]byte(
			`{"multisign":"2147483648","key":{"algo":"1.2.3","status":"enabled"},"PIN":{"presence":true},`+
				`"OTP":{"presence":"optional"},"auth":{"objects":{"type":"x"}}}`,
		),
		&a,
	)
	if err != nil || a.Multisign != 2147483647 || len(a.Key.Algo) != 1 || a.PIN.need() != wanted ||
		a.OTP.need() != optional {
		t.Errorf("answer = %+v, %v", a, err)
	}
	for _, bad := range []string{`{"multisign":"many"}`, `{"key":{"algo":7}}`, `[]`} {
		if json.Unmarshal([]byte(bad), &credentialAnswer{}) == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

// TestClassify uses the answers that services document or are known to send.
func TestClassify(t *testing.T) {
	cases := []struct {
		status     int
		code, text string
		kind       signing.Kind
		retry      bool
		hint       hint
	}{
		{400, "invalid_request", "Invalid parameter credentialID", signing.KindConfiguration, false, readAgain},
		{
			400, "invalid_request", "The credential identified by credentialID is disabled", signing.KindProviderAccount, false,
			readAgain,
		},
		{400, "invalid_request", "Credential locked", signing.KindProviderAccount, false, readAgain},
		{400, "invalid_request", "Numbers of signatures is too high", signing.KindProvider, false, readAgain},
		{400, "invalid_request", "Invalid parameter SAD", signing.KindProvider, true, renewSAD},
		{400, "invalid_request", "SAD expired", signing.KindProvider, true, renewSAD},
		{400, "invalid_request", "Hash is not authorized by the SAD", signing.KindProvider, false, nothing},
		{400, "invalid_request", "Signing certificate is expired", signing.KindCertificate, false, readAgain},
		{400, "invalid_request", "Invalid parameter signAlgo", signing.KindConfiguration, false, readAgain},
		{400, "invalid_request", "Invalid digest value length", signing.KindProvider, false, nothing},
		{400, "invalid_authentication_data", "", signing.KindProviderCredentials, false, wrongSecret},
		{400, "invalid_pin", "The PIN is invalid", signing.KindProviderCredentials, false, wrongSecret},
		{400, "expired_token", "", signing.KindProviderCredentials, false, renewToken},
		{400, "server_error", "", signing.KindProvider, true, nothing},
		{401, "", "", signing.KindProviderCredentials, false, renewToken},
		{403, "", "", signing.KindProviderAccount, false, readAgain},
		{404, "", "", signing.KindConfiguration, false, tryOtherPath},
		{301, "", "", signing.KindConfiguration, false, tryOtherPath},
		{407, "", "", signing.KindConfiguration, false, nothing},
		{408, "", "", signing.KindProvider, true, nothing},
		{499, "", "", signing.KindProvider, true, nothing},
		{429, "", "", signing.KindProvider, true, nothing},
		{500, "invalid_token", "", signing.KindProvider, true, nothing},
		{501, "", "", signing.KindConfiguration, false, tryOtherPath},
		{418, "", "", signing.KindProvider, false, nothing},
	}
	for _, c := range cases {
		f := classify(c.status, c.code, strings.ToLower(c.text))
		if f.Kind != c.kind || f.Retry != c.retry || f.Hint != c.hint || f.Unknown || f.Detail == "" {
			t.Errorf("classify(%d, %q, %q) = %v retry %v hint %d, want %s retry %v hint %d",
				c.status, c.code, c.text, f.Kind, f.Retry, f.Hint, c.kind, c.retry, c.hint)
		}
	}
}

// TestOnlyDefinedRefusalsAreCertain checks answers to signHash. The outcome is known only if the
// body, or the Bearer challenge, contains a defined code for a refusal.
func TestOnlyDefinedRefusalsAreCertain(t *testing.T) {
	const csc = `{"error":%q,"error_description":"x"}`
	for _, c := range []struct {
		status          int
		code, challenge string
		unknown         bool
	}{
		{400, "invalid_request", "", false},
		{400, "access_denied", "", false},
		{400, "expired_token", "", false},
		{400, "invalid_pin", "", false},
		{401, "invalid_token", "", false},
		{401, "", `Bearer realm="x", error="invalid_token"`, false},
		{403, "", `Basic realm="x", Bearer`, true},
		{401, "", `Bearer realm="x"`, true},
		{401, "", "", true},
		{404, "invalid_request", "", false},
		{429, "temporarily_unavailable", "", false},
		{429, "too_many_requests", "", true},
		{429, "", "", true},
		{400, "temporarily_unavailable", "", true},
		{400, "server_error", "", true},
		{403, "server_error", "", true},
		{408, "", "", true},
		{409, "conflict", "", true},
		{413, "", "", true},
		{499, "", "", true},
		{302, "invalid_request", "", true},
		{307, "", "", true},
		{500, "invalid_request", "", true},
		{501, "", "", true},
		{503, "temporarily_unavailable", "", true},
	} {
		a := &outbound.Answer{Status: c.status, Header: http.Header{}, Body: []byte("<html>")}
		if c.code != "" {
			a.Body = fmt.Appendf(nil, csc, c.code)
		}
		if c.challenge != "" {
			a.Header.Set("WWW-Authenticate", c.challenge)
		}
		if f := refusal(a, true); f.Unknown != c.unknown {
			t.Errorf("%d %q %q: unknown = %v, want %v", c.status, c.code, c.challenge, f.Unknown, c.unknown)
		}
		if f := refusal(a, false); f.Unknown {
			t.Errorf("%d %q: unknown although the call does not sign", c.status, c.code)
		}
	}
}

// TestRemoteTextIsTamed checks that a service's words go into the log in one line of bounded
// length, and never to the client.
func TestRemoteTextIsTamed(t *testing.T) {
	body, _ := json.Marshal(
		map[string]string{"error": "x\r\nforged: line", "error_description": strings.Repeat("y", 10_000)},
	)
	f := refusal(&outbound.Answer{Status: 400, Header: http.Header{}, Body: body}, true)
	if text := f.Error.Error(); len(text) > 600 || strings.ContainsAny(text, "\r\n") {
		t.Errorf("log text has %d bytes: %.100q", len(text), text)
	}
	if strings.Contains(f.Detail, "yyy") {
		t.Errorf("detail %q has the service's words", f.Detail)
	}
}

func TestValidate(t *testing.T) {
	for _, good := range []Settings{
		{URL: "https://simulated.invalid/csc/v2", ClientID: "a", ClientSecretFile: "b"},
		{URL: "https://simulated.invalid", AuthType: "external"},
		{URL: "https://simulated.invalid", AuthType: "basic", Username: "a", PasswordFile: "b"},
		{
			URL: "https://simulated.invalid", AuthType: "oauth2", GrantType: "password", ClientID: "public", Username: "a",
			PasswordFile: "b", ClientAuth: "form",
		},
	} {
		if bad := good.Validate(); bad != nil || good.CheckIdentity() != nil {
			t.Errorf("Validate of %+v = %v, %v, want nothing", good, bad, good.CheckIdentity())
		}
	}
	for _, missing := range []Settings{
		{AuthType: "oauth2"}, {AuthType: "basic"}, {TokenURL: "https://simulated.invalid/token"}, {GrantType: "password"},
	} {
		if missing.CheckIdentity() == nil {
			t.Errorf("CheckIdentity of %+v wants no client id", missing)
		}
	}
	all := fmt.Sprint(errors.Join(
		Settings{
			URL: "simulated.invalid", TokenURL: "https://u:p@host/", ClientID: "a", OTPFile: "x", TOTPSecretFile: "y",
			Hash: "md5", Algorithm: "DSA", OperationMode: "B", MaxBatch: -1,
		}.Validate(),
		Settings{
			URL: "https://simulated.invalid", AuthType: "kerberos", ClientAuth: "jwt", GrantType: "implicit", Username: "x",
		}.Validate(),
		Settings{URL: "https://simulated.invalid", GrantType: "password", ClientID: "public"}.Validate(),
		Settings{
			URL: "https://simulated.invalid", AuthType: "external", TokenURL: "https://simulated.invalid/token",
		}.Validate(),
		Settings{URL: "https://simulated.invalid", GrantType: "password", ClientSecretFile: "x"}.Validate(),
	))
	for _, want := range []string{
		"url:", "tokenURL:", "clientID and", "otpFile and", "authType: \"kerberos\"", "clientAuth: \"jwt\"",
		"grantType: \"implicit\"", "username and passwordFile: one", "grantType: password needs username",
		"tokenURL: is not used with authType external", "hash:", "algorithm:", "operationMode:", "maxBatch,",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("Validate does not complain about %q:\n%s", want, all)
		}
	}
}

// FuzzAnswers checks that no answer of a service causes a panic or a state that cannot sign.
func FuzzAnswers(f *testing.F) {
	leaf, issuer, _, _ := servertest.Chain(f)
	chain := base64.StdEncoding.EncodeToString(leaf.Raw) + `","` + base64.StdEncoding.EncodeToString(issuer.Raw)
	f.Add(
		[]byte(
			`{"key":{"algo":["1.2.840.10045.4.3.2"],"status":"enabled"},"cert":{"certificates":["` + chain + `"]},` +
				`"multisign":3,"auth":{"mode":"explicit","objects":[{"id":"PIN","type":"Password"}]}}`,
		),
	)
	f.Add([]byte(`{"signatures":["AAAA","////"],"responseID":"x"}`))
	f.Add([]byte(`{"error":"invalid_request","error_description":"SAD expired"}`))
	p := &reader{name: "fuzz", set: Settings{URL: "https://simulated.invalid"}.withDefaults()}
	f.Fuzz(func(t *testing.T, body []byte) {
		var a credentialAnswer
		if json.Unmarshal(body, &a) == nil {
			s, fail := p.describe(&serviceInfo{}, "id", a)
			if fail == nil && (len(s.Chain) == 0 || s.Hash == 0 || s.MaxBatch < 1 || s.InFlight < 1 || s.algorithm.oid == "") {
				t.Errorf("state = %+v", s)
			}
		}
		var v signAnswer
		if json.Unmarshal(body, &v) == nil {
			_, _ = values(v, leaf.PublicKey)
		}
		_ = refusal(&outbound.Answer{Status: 400, Header: http.Header{}, Body: body}, true)
	})
}

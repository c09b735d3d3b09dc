package csc

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/lenient"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// checkPause is the time between two polls while somebody has to authorise the signatures.
const checkPause = time.Second

// authorizer gets the activation data for signatures. It is safe for concurrent use.
type authorizer struct {
	set    Settings
	client *client
	guard  *guard
}

// authorize gets the activation data (SAD) for all digests of a call. When it fails, nothing can
// have been signed.
func (z *authorizer) authorize(ctx context.Context, s *state, call signing.Call) (string, *failure) {
	if s.mode == "oauth2code" {
		return z.authorizeByToken(ctx, s, call)
	}
	leave, f := z.guard.enter(ctx, z.secrets(), z.refusalKept())
	if f != nil {
		return "", f
	}
	request, f := z.authorization(ctx, s, call)
	var sad string
	if f == nil {
		sad, f = z.activate(ctx, s, request)
	}
	leave(f)
	return sad, f
}

// secrets returns a hash of the current contents of the PIN and one-time password files. It is zero
// when no file has any. It ignores files that cannot be read, because the code that uses them
// reports the error.
func (z *authorizer) secrets() (sum [sha256.Size]byte) {
	for _, file := range []string{z.set.PINFile, z.set.OTPFile, z.set.TOTPSecretFile} {
		if v, err := readIfSet(file); err == nil && v != "" {
			sum = sha256.Sum256(append(sum[:], v...))
		}
	}
	return sum
}

// activate asks for activation data. If a person has to agree first, it waits for that.
func (z *authorizer) activate(ctx context.Context, s *state, request authorizeRequest) (string, *failure) {
	ctx, cancel := context.WithTimeout(ctx, methodAuthorize.timeout)
	defer cancel()
	var a authorizeAnswer
	status, f := z.client.authorized(ctx, s.at, methodAuthorize, request, &a)
	for f == nil && status == http.StatusAccepted && a.Handle != "" { // a person has to agree first
		if err := pace.Pause(ctx, checkPause); err != nil {
			return "", fail(signing.KindProvider, "nobody authorised the signatures in time").Because(err).Retryable(0)
		}
		handle := a.Handle
		a = authorizeAnswer{}
		status, f = z.client.authorized(ctx, s.at, methodCheck, map[string]string{"handle": handle}, &a)
		if a.Handle == "" {
			a.Handle = handle
		}
	}
	if f != nil {
		return "", f
	}
	if a.SAD == "" {
		return "", unreadable(errors.New("answer of credentials/authorize has no SAD"), false)
	}
	return a.SAD, nil
}

// authorization builds the request for the API version of the service, with the secrets that the
// credential needs.
func (z *authorizer) authorization(ctx context.Context, s *state, call signing.Call) (authorizeRequest, *failure) {
	r := authorizeRequest{CredentialID: s.id, NumSignatures: len(call.Digests), ClientData: call.ID}
	if s.at.v1 {
		r.Hash = encode(call.Digests)
		if s.mode == "implicit" {
			return r, nil
		}
		var f *failure
		if r.PIN, f = z.secret(ctx, s.pin, "pinFile", z.pin); f == nil {
			r.OTP, f = z.secret(ctx, s.otp, "otpFile", z.otp)
		}
		return r, f
	}
	r.Hashes, r.HashAlgorithmOID = encode(call.Digests), s.algorithm.hashOID
	values := []authValue{}
	r.AuthData = &values
	for _, o := range s.objects {
		setting, read := "pinFile", z.pin
		if o.Generator != "" || strings.Contains(strings.ToUpper(o.ID), "OTP") {
			setting, read = "otpFile", z.otp
		}
		n := wanted
		if s.any {
			n = optional
		}
		v, f := z.secret(ctx, n, setting, read)
		if f != nil {
			return r, f
		}
		if v != "" {
			values = append(values, authValue{ID: o.ID, Value: v})
		}
	}
	return r, nil
}

// secret returns a PIN or OTP. It returns an empty string if the service does not want one, or if
// it is optional and not configured.
func (z *authorizer) secret(
	ctx context.Context, n need, setting string, read func(context.Context) (string, error),
) (string, *failure) {
	if n == unwanted {
		return "", nil
	}
	v, err := read(ctx)
	var later *signing.Error
	switch {
	case errors.As(err, &later):
		return "", &failure{Error: later}
	case err != nil:
		return "", fail(signing.KindConfiguration, "%s: cannot be read", setting).Because(err)
	case v == "" && n == wanted:
		return "", fail(signing.KindConfiguration, "%s: is needed, because the credential asks for it", setting)
	}
	return v, nil
}

func (z *authorizer) pin(context.Context) (string, error) { return readIfSet(z.set.PINFile) }

func (z *authorizer) otp(ctx context.Context) (string, error) {
	if z.set.TOTPSecretFile == "" {
		return readIfSet(z.set.OTPFile)
	}
	secret, err := secretfile.Read(z.set.TOTPSecretFile)
	if err != nil {
		return "", err
	}
	at, f := z.guard.turn(ctx)
	if f != nil {
		return "", f.Error
	}
	return totp(secret, at)
}

func readIfSet(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return secretfile.Read(path)
}

// totp returns the time-based one-time password of RFC 6238 with SHA-1, 30 seconds and 6 digits.
// Authenticator apps compute the same.
func totp(secret string, at time.Time) (string, error) {
	key, err := totpKey(secret)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha1.New, key) // RFC 6238 1.2: HMAC-SHA-1 is the default, and services use it
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(at.Unix()/30))
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0x0f // RFC 4226 5.3
	code := binary.BigEndian.Uint32(sum[offset:offset+4]) & 0x7fffffff
	return fmt.Sprintf("%06d", code%1_000_000), nil
}

// totpKey decodes the secret of a time-based password. Authenticator apps write it in base32, in
// upper or in lower case. Others, such as SSL.com's eSigner, write it in base64. The two can be
// told apart, because the base64 text of a key has letters of both cases or a character that base32
// does not have. For a key of 20 bytes this fails less than once in ten million.
func totpKey(secret string) ([]byte, error) {
	plain := strings.NewReplacer(" ", "", "-", "", "=", "").Replace(secret)
	if upper := strings.ToUpper(plain); plain == upper || plain == strings.ToLower(plain) {
		if key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(upper); err == nil {
			return key, nil
		}
	}
	key, err := lenient.Base64(secret)
	if err != nil || len(key) == 0 {
		return nil, errors.New("secret of the one-time password is neither base32 nor base64")
	}
	return key, nil
}

// authorizeByToken authorises an oauth2code credential without a user. The token endpoint returns a
// token with the scope credential for these hashes, and this token replaces the SAD.
func (z *authorizer) authorizeByToken(ctx context.Context, s *state, call signing.Call) (string, *failure) {
	if s.at.tokens.url == "" || s.at.tokens.login {
		return "", fail(signing.KindConfiguration, "tokenURL: is needed, because the credential is authorised by OAuth2")
	}
	texts := make([]string, len(call.Digests))
	for i, d := range call.Digests {
		texts[i] = base64.RawURLEncoding.EncodeToString(d)
	}
	form := url.Values{"credentialID": {s.id}, "numSignatures": {strconv.Itoa(len(texts))}, "clientData": {call.ID}}
	if s.at.v1 {
		form.Set("hash", strings.Join(texts, ","))
	} else {
		form.Set("hashes", strings.Join(texts, ","))
		form.Set("hashAlgorithmOID", s.algorithm.hashOID)
	}
	return z.client.tokens.endpoint.credentialToken(ctx, s.at.tokens, form)
}

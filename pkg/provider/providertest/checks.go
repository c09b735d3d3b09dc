package providertest

//lint:file-ignore ST1005 test failures begin with the name of the function that was called

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// largestBatch is the largest batch in one call, because a provider may accept thousands and a test
// has to end.
const largestBatch = 100

func checkCredential(ctx context.Context, p signing.Provider, _ func() int) error {
	c, err := p.Credential(ctx)
	if err != nil {
		return fmt.Errorf("Credential = %v", err)
	}
	if c.Name == "" || c.MaxBatch < 1 || c.InFlight < 1 || len(c.Chain) == 0 {
		return fmt.Errorf("Credential = name %q, MaxBatch %d, InFlight %d, %d certificates; want all of them set", c.Name,
			c.MaxBatch, c.InFlight, len(c.Chain))
	}
	for i := 1; i < len(c.Chain); i++ {
		if err := c.Chain[i-1].CheckSignatureFrom(c.Chain[i]); err != nil {
			return fmt.Errorf("certificate %d of the chain is not signed by the next: %v", i-1, err)
		}
	}
	if now := time.Now(); now.Before(c.Certificate().NotBefore) || now.After(c.Certificate().NotAfter) {
		return fmt.Errorf("the certificate is not valid now")
	}
	if err := checkAlgorithm(c); err != nil {
		return err
	}
	again, err := p.Credential(ctx)
	if err != nil {
		return fmt.Errorf("second Credential = %v", err)
	}
	if again.Name != c.Name || !again.Certificate().Equal(c.Certificate()) {
		return fmt.Errorf("second Credential is another one")
	}
	return nil
}

func checkAlgorithm(c *signing.Credential) error {
	switch c.Hash.Size() {
	case 32, 48, 64:
	default:
		return fmt.Errorf("Credential.Hash = %v, want SHA-256, SHA-384 or SHA-512", c.Hash)
	}
	fits := false
	switch c.Certificate().PublicKey.(type) {
	case *rsa.PublicKey:
		fits = c.Algorithm == signing.RSAPKCS1 || c.Algorithm == signing.RSAPSS
	case *ecdsa.PublicKey:
		fits = c.Algorithm == signing.ECDSA
	}
	if !fits {
		return fmt.Errorf("Credential.Algorithm = %q does not fit a key of type %T", c.Algorithm, c.Certificate().PublicKey)
	}
	return nil
}

func checkOne(ctx context.Context, p signing.Provider, spent func() int) error {
	return signN(ctx, p, 1, spent)
}

func checkBatch(ctx context.Context, p signing.Provider, spent func() int) error {
	c, err := p.Credential(ctx)
	if err != nil {
		return err
	}
	return signN(ctx, p, min(c.MaxBatch, largestBatch), spent)
}

// signN makes one call with n digests and verifies each value against its digest.
func signN(ctx context.Context, p signing.Provider, n int, spent func() int) error {
	c, call, err := newCall(ctx, p, n)
	if err != nil {
		return err
	}
	before := count(spent)
	values, err := p.Sign(ctx, call)
	if err != nil {
		return fmt.Errorf("Sign of %d digests = %v", n, err)
	}
	if made := count(spent) - before; spent != nil && made != n {
		return fmt.Errorf("Sign of %d digests made %d signatures", n, made)
	}
	return verify(c, call.Digests, values)
}

func checkEqualDigests(ctx context.Context, p signing.Provider, _ func() int) error {
	c, call, err := newCall(ctx, p, 1)
	if err != nil || c.MaxBatch < 2 {
		return err
	}
	call.Digests = append(call.Digests, call.Digests[0])
	values, err := p.Sign(ctx, call)
	if err != nil {
		return fmt.Errorf("Sign of one digest twice = %v", err)
	}
	return verify(c, call.Digests, values)
}

func checkUntouched(ctx context.Context, p signing.Provider, _ func() int) error {
	_, call, err := newCall(ctx, p, 1)
	if err != nil {
		return err
	}
	before := bytes.Clone(call.Digests[0])
	if _, err := p.Sign(ctx, call); err != nil {
		return fmt.Errorf("Sign = %v", err)
	}
	if !bytes.Equal(before, call.Digests[0]) {
		return fmt.Errorf("Sign changed the caller's digest")
	}
	return nil
}

// checkWrongCalls checks that an invalid call is refused as a whole, before the key is used, and
// that its error says that no signature was made.
func checkWrongCalls(ctx context.Context, p signing.Provider, spent func() int) error {
	c, good, err := newCall(ctx, p, 1)
	if err != nil {
		return err
	}
	digest := good.Digests[0]
	wrong := map[string][][]byte{
		"no digest":      nil,
		"empty digest":   {nil},
		"short digest":   {digest[1:]},
		"long digest":    {append(bytes.Clone(digest), 0)},
		"too many":       tooMany(c, digest),
		"one bad of two": {digest, digest[1:]},
	}
	for name, digests := range wrong {
		before := count(spent)
		values, err := p.Sign(ctx, signing.Call{ID: good.ID + name, Digests: digests})
		if err == nil || values != nil {
			return fmt.Errorf("%s: Sign = %d values, %v; want none and an error", name, len(values), err)
		}
		if err := definite(err); err != nil {
			return fmt.Errorf("%s: %v", name, err)
		}
		if made := count(spent) - before; made != 0 {
			return fmt.Errorf("%s: Sign made %d signatures, want 0", name, made)
		}
	}
	return nil
}

func tooMany(c *signing.Credential, digest []byte) [][]byte {
	digests := make([][]byte, c.MaxBatch+1)
	for i := range digests {
		digests[i] = digest
	}
	return digests
}

// definite returns an error if err does not clearly say that no signature was made.
func definite(err error) error {
	var e *signing.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("error is %T (%v), want *signing.Error", err, err)
	}
	if e.Kind == signing.KindInternal {
		return fmt.Errorf("error %v has no kind", err)
	}
	if e.Unknown {
		return fmt.Errorf("error %v says that the outcome is unknown, although nothing was asked", err)
	}
	return nil
}

func checkCancelledBefore(ctx context.Context, p signing.Provider, spent func() int) error {
	_, call, err := newCall(ctx, p, 1)
	if err != nil {
		return err
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	before := count(spent)
	values, err := p.Sign(cancelled, call)
	if err == nil || values != nil {
		return fmt.Errorf("Sign with a cancelled context = %d values, %v; want none and an error", len(values), err)
	}
	if made := count(spent) - before; made != 0 {
		return fmt.Errorf("Sign with a cancelled context made %d signatures, want 0", made)
	}
	return definite(err)
}

// checkCancelledDuring checks that a call that is cancelled at any moment returns either all
// values, or an error that admits signatures that may have been made.
func checkCancelledDuring(ctx context.Context, p signing.Provider, spent func() int) error {
	for _, after := range []time.Duration{0, 100 * time.Microsecond, time.Millisecond, 5 * time.Millisecond} {
		c, call, err := newCall(ctx, p, 5)
		if err != nil {
			return err
		}
		short, cancel := context.WithTimeout(ctx, after)
		before := count(spent)
		values, err := p.Sign(short, call)
		cancel()
		if err == nil {
			if err := verify(c, call.Digests, values); err != nil {
				return err
			}
			continue
		}
		made := count(spent) - before
		if e := signing.AsError(err); e.Kind == signing.KindInternal || made > 0 && !e.Unknown {
			return fmt.Errorf("Sign cancelled after %v = %v with %d signatures made: want a kind, and Unknown where any was",
				after, err, made)
		}
		if values != nil {
			return fmt.Errorf("Sign cancelled after %v returned %d values and %v, want nil", after, len(values), err)
		}
	}
	return nil
}

func checkConcurrent(ctx context.Context, p signing.Provider, spent func() int) error {
	const calls, size = 8, 3
	before := count(spent)
	results := make(chan error, 2*calls)
	for range calls {
		go func() { results <- signN(ctx, p, size, nil) }()
		go func() {
			_, err := p.Credential(ctx)
			results <- err
		}()
	}
	var failed []error
	for range 2 * calls {
		failed = append(failed, <-results)
	}
	if err := errors.Join(failed...); err != nil {
		return err
	}
	c, err := p.Credential(ctx)
	if err != nil {
		return err
	}
	if made, want := count(spent)-before, calls*min(size, c.MaxBatch); spent != nil && made != want {
		return fmt.Errorf("%d signatures were made for %d digests", made, want)
	}
	return nil
}

// checkResume checks that the handle recorded by a call returns the same values again, without a
// second signature.
func checkResume(ctx context.Context, p signing.Provider, spent func() int) error {
	resumer, ok := p.(signing.Resumer)
	if !ok {
		return nil
	}
	c, call, err := newCall(ctx, p, 3)
	if err != nil {
		return err
	}
	var handle string
	call.Note = func(_ context.Context, h string) error {
		handle = h
		return nil
	}
	if _, err := p.Sign(ctx, call); err != nil {
		return fmt.Errorf("Sign = %v", err)
	}
	if handle == "" {
		return nil // this service does not return an answer twice
	}
	before := count(spent)
	values, err := resumer.Resume(ctx, call, handle)
	if err != nil {
		return fmt.Errorf("Resume = %v", err)
	}
	if made := count(spent) - before; made != 0 {
		return fmt.Errorf("Resume made %d signatures, want 0", made)
	}
	return verify(c, call.Digests, values)
}

// newCall returns a call with n random digests, or with fewer if the provider accepts fewer.
func newCall(ctx context.Context, p signing.Provider, n int) (*signing.Credential, signing.Call, error) {
	c, err := p.Credential(ctx)
	if err != nil {
		return nil, signing.Call{}, fmt.Errorf("Credential = %v", err)
	}
	return c, NewCall(c.Hash, min(n, c.MaxBatch)), nil
}

func verify(c *signing.Credential, digests, values [][]byte) error {
	if len(values) != len(digests) {
		return fmt.Errorf("%d values for %d digests", len(values), len(digests))
	}
	for i := range values {
		if err := signing.VerifyValue(c, digests[i], values[i]); err != nil {
			return fmt.Errorf("value %d of %d is not that of its digest: %v", i, len(values), err)
		}
	}
	return nil
}

func count(spent func() int) int {
	if spent == nil {
		return 0
	}
	return spent()
}

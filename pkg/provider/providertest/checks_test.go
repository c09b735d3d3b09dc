package providertest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"math/big"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// fake is a correct provider. A test can break its parts one by one.
type fake struct {
	key        *ecdsa.PrivateKey
	credential signing.Credential
	spent      atomic.Int64
	notes      map[string][][]byte

	sign    func(f *fake, ctx context.Context, call signing.Call) ([][]byte, error)
	resume  func(f *fake, call signing.Call, handle string) ([][]byte, error)
	renamed bool
}

func newFake(t *testing.T) *fake {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &fake{
		key:    key,
		sign:   signCorrectly,
		resume: (*fake).resumeNoted,
		credential: signing.Credential{
			Name:      "fake",
			Chain:     []*x509.Certificate{cert},
			Algorithm: signing.ECDSA,
			Hash:      crypto.SHA256,
			MaxBatch:  5,
			InFlight:  1,
		},
	}
}

func (f *fake) Credential(context.Context) (*signing.Credential, error) {
	c := f.credential
	if f.renamed {
		c.Name += rand.Text()
	}
	return &c, nil
}

func (f *fake) Sign(ctx context.Context, call signing.Call) ([][]byte, error) {
	return f.sign(f, ctx, call)
}

func (f *fake) Resume(_ context.Context, call signing.Call, handle string) ([][]byte, error) {
	return f.resume(f, call, handle)
}

func (f *fake) resumeNoted(_ signing.Call, handle string) ([][]byte, error) {
	return f.notes[handle], nil
}

// signCorrectly signs as the contract of signing.Provider requires. It notes the handle "handle".
func signCorrectly(f *fake, ctx context.Context, call signing.Call) ([][]byte, error) {
	if ctx.Err() != nil {
		return nil, signing.Errorf(signing.KindProvider, "cancelled")
	}
	if len(call.Digests) < 1 || len(call.Digests) > f.credential.MaxBatch {
		return nil, signing.Errorf(signing.KindProvider, "wrong count")
	}
	for _, d := range call.Digests {
		if len(d) != 32 {
			return nil, signing.Errorf(signing.KindProvider, "wrong length")
		}
	}
	values := f.values(call)
	if call.Note != nil {
		f.notes = map[string][][]byte{"handle": values}
		if err := call.Note(ctx, "handle"); err != nil {
			return nil, err
		}
	}
	return values, nil
}

func (f *fake) values(call signing.Call) [][]byte {
	values := make([][]byte, len(call.Digests))
	for i, d := range call.Digests {
		value, err := ecdsa.SignASN1(rand.Reader, f.key, d)
		if err != nil {
			panic(err)
		}
		f.spent.Add(1)
		values[i] = value
	}
	return values
}

func TestRightProviderPasses(t *testing.T) {
	f := newFake(t)
	Run(t, Harness{Open: func(*testing.T) signing.Provider { return f }, Spent: func() int { return int(f.spent.Load()) }})
}

// TestWrongProvidersFail checks that each rule of the suite detects a provider that breaks it.
func TestWrongProvidersFail(t *testing.T) {
	always := func(change func(values [][]byte) [][]byte) func(f *fake) {
		return func(f *fake) {
			f.sign = func(f *fake, ctx context.Context, call signing.Call) ([][]byte, error) {
				values, err := signCorrectly(f, ctx, call)
				if err != nil {
					return nil, err
				}
				return change(values), nil
			}
		}
	}
	for name, c := range map[string]struct {
		check string
		spoil func(f *fake)
	}{
		"no name":  {"credential", func(f *fake) { f.credential.Name = "" }},
		"no batch": {"credential", func(f *fake) { f.credential.MaxBatch = 0 }},
		"no chain": {"credential", func(f *fake) { f.credential.Chain = nil }},
		"wrong chain": {
			"credential", func(f *fake) { f.credential.Chain = append(f.credential.Chain, &x509.Certificate{}) },
		},
		"SHA-1":        {"credential", func(f *fake) { f.credential.Hash = crypto.SHA1 }},
		"wrong alg":    {"credential", func(f *fake) { f.credential.Algorithm = signing.RSAPSS }},
		"name changes": {"credential", func(f *fake) { f.renamed = true }},
		"wrong value":  {"one digest", always(func(v [][]byte) [][]byte { v[0][9] ^= 1; return v })},
		"no value":     {"one digest", always(func([][]byte) [][]byte { return nil })},
		"order": {
			"full batch in order", always(func(v [][]byte) [][]byte { v[0], v[len(v)-1] = v[len(v)-1], v[0]; return v }),
		},
		"one too few":  {"full batch in order", always(func(v [][]byte) [][]byte { return v[:len(v)-1] })},
		"one too many": {"full batch in order", always(func(v [][]byte) [][]byte { return append(v, v[0]) })},
		"signs twice": {"one digest", func(f *fake) {
			f.sign = func(f *fake, ctx context.Context, call signing.Call) ([][]byte, error) {
				f.values(call)
				return signCorrectly(f, ctx, call)
			}
		}},
		"deduplicates": {"equal digests", always(func(v [][]byte) [][]byte { return v[:1] })},
		"writes digests": {"caller's digests untouched", func(f *fake) {
			f.sign = func(f *fake, ctx context.Context, call signing.Call) ([][]byte, error) {
				defer func() { call.Digests[0][0]++ }()
				return signCorrectly(f, ctx, call)
			}
		}},
		"signs anything": {"wrong calls spend nothing", func(f *fake) {
			f.sign = func(f *fake, _ context.Context, call signing.Call) ([][]byte, error) { return f.values(call), nil }
		}},
		"spends first": {"wrong calls spend nothing", func(f *fake) {
			f.sign = func(f *fake, ctx context.Context, call signing.Call) ([][]byte, error) {
				f.spent.Add(1)
				return signCorrectly(f, ctx, call)
			}
		}},
		"plain error": {"wrong calls spend nothing", func(f *fake) {
			f.sign = func(*fake, context.Context, signing.Call) ([][]byte, error) { return nil, errors.New("no") }
		}},
		"always unknown": {"wrong calls spend nothing", func(f *fake) {
			f.sign = func(*fake, context.Context, signing.Call) ([][]byte, error) {
				return nil, &signing.Error{Kind: signing.KindProvider, Unknown: true}
			}
		}},
		"ignores cancel": {"cancelled before the call", func(f *fake) {
			f.sign = func(f *fake, _ context.Context, call signing.Call) ([][]byte, error) {
				return signCorrectly(f, context.Background(), call)
			}
		}},
		"hides spending": {"cancelled during the call", func(f *fake) {
			f.sign = func(f *fake, _ context.Context, call signing.Call) ([][]byte, error) {
				f.values(call)
				return nil, signing.Errorf(signing.KindProvider, "lost")
			}
		}},
		"resume signs": {"resume", func(f *fake) {
			f.resume = func(f *fake, call signing.Call, _ string) ([][]byte, error) { return f.values(call), nil }
		}},
		"resume fails": {"resume", func(f *fake) {
			f.resume = func(*fake, signing.Call, string) ([][]byte, error) { return nil, errors.New("gone") }
		}},
		"shares values": {"concurrent calls", always(func(v [][]byte) [][]byte { return v[1:] })},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			c.spoil(f)
			for _, rule := range checks {
				if rule.name != c.check {
					continue
				}
				if err := rule.run(t.Context(), f, func() int { return int(f.spent.Load()) }); err == nil {
					t.Errorf("the check %q lets it pass", c.check)
				}
				return
			}
			t.Fatalf("there is no check %q", c.check)
		})
	}
}

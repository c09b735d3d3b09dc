package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// createFor is create for a client service.
func createFor(t *testing.T, s *store.Store, client, reference, content string) signing.Operation {
	t.Helper()
	up, n := request(t, s, reference, content)
	n.ClientService = client
	op, err := s.Create(t.Context(), up, n)
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// TestSharesOfSize removes the oldest results of the client service that fills the state folder,
// and not the older ones of others that use less. Each client service may use an equal part.
func TestSharesOfSize(t *testing.T) {
	const size = 1 << 20
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	age := 100 * time.Minute
	add := func(client string, n int) (ops []signing.Operation) {
		for i := range n {
			op := createFor(t, s, client, fmt.Sprint(client, i), strings.Repeat("x", size))
			end(t, s, op, time.Now().Add(-age))
			age -= time.Minute
			ops = append(ops, op)
		}
		return ops
	}
	small, middle, large := add("small", 2), add("middle", 5), add("large", 20)
	kept := func(ops []signing.Operation) (n int) {
		t.Helper()
		gone := true
		for _, op := range ops {
			_, err := s.Operation(t.Context(), op.ID)
			if err == nil {
				n++
			} else if gone = gone && n == 0; !gone {
				t.Errorf("operation %s was removed before an older one of its client service", op.ID)
			}
		}
		return n
	}
	s = reopen(t, s, store.Config{Folder: folder, Retention: store.Retention{MaxBytes: 20 * size}})
	if _, err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a, b, c := kept(small), kept(middle), kept(large); a != 2 || b != 5 || c < 8 || c > 11 {
		t.Errorf("%d, %d and %d operations are left, want 2, 5 and as many as fit", a, b, c)
	}
	s = reopen(t, s, store.Config{Folder: folder, Retention: store.Retention{MaxBytes: 9 * size}})
	if _, err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a, b, c := kept(small), kept(middle), kept(large); a != 2 || b < 2 || c < 2 || b+c < 4 {
		t.Errorf("%d, %d and %d operations are left, want 2 and as many each as fit", a, b, c)
	}
}

// TestShareOfUnfinished refuses new documents while the client service that uses most has nothing
// that can be removed. The others keep what they have.
func TestShareOfUnfinished(t *testing.T) {
	const size = 1 << 20
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	small := createFor(t, s, "small", "s", strings.Repeat("x", size))
	end(t, s, small, time.Now().Add(-time.Hour))
	large := createFor(t, s, "large", "l", strings.Repeat("x", 8*size))
	s = reopen(t, s, store.Config{Folder: folder, Retention: store.Retention{MaxBytes: 9 * size}})
	_, err := s.NewUpload(t.Context())
	wantBusy(t, "NewUpload", err)
	sweep(t, s, 0, "while the large one has not ended")
	end(t, s, large, time.Now().Add(-time.Hour))
	up, err := s.NewUpload(t.Context())
	if err != nil {
		t.Fatalf("NewUpload = %v, want room", err)
	}
	up.Discard()
	wantKept(t, s, []signing.Operation{small, large}, true, false)
}

// TestShareCountsSections counts sections for a client service as well as documents, in the
// database and in the file.
func TestShareCountsSections(t *testing.T) {
	const section = 60 << 10
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	honest := createFor(t, s, "honest", "h", strings.Repeat("x", 2<<20))
	end(t, s, honest, time.Now().Add(-2*time.Hour))
	var crafted []signing.Operation
	for i := range 100 {
		op := createFor(t, s, "crafted", fmt.Sprint(i), "tiny")
		refs := []signing.Ref{{Operation: op.ID}}
		if err := s.SavePrepared(t.Context(), preparedFor(refs, 10)); err != nil {
			t.Fatal(err)
		}
		sign(t, s, refs, len("tiny"), section*(1+i%2)) // in the database, and behind the documents
		end(t, s, op, time.Now().Add(time.Duration(i-100)*time.Minute))
		crafted = append(crafted, op)
	}
	s = reopen(t, s, store.Config{Folder: folder, Retention: store.Retention{MaxBytes: 8 << 20}})
	if n, err := s.Sweep(t.Context()); n == 0 || err != nil {
		t.Errorf("Sweep = %d, %v, want some", n, err)
	}
	wantKept(t, s, []signing.Operation{honest, crafted[0], crafted[99]}, true, false, true)
}

package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding"
	"errors"
	"fmt"
	"io"
	"reflect"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Options says what a store can do beyond the interface.
type Options struct {
	// Reopen ends a store as a crash or a stop would, and opens it again with what was durable. Nil =
	// nothing survives, and Run skips the tests of durability.
	Reopen func(t *testing.T, s signing.Store) signing.Store
}

// Run tests a store against each sentence of the comments on signing.Store. open returns an empty
// store.
func Run(t *testing.T, open func(t *testing.T) signing.Store, o Options) {
	for _, part := range []struct {
		name  string
		tests []test
	}{
		{"spool", spoolTests}, {"records", recordTests}, {"journal", journalTests}, {"calls", callTests},
		{"shapes", shapeTests}, {"early", earlyTests},
		{"concurrency", concurrencyTests},
		{"durability", durabilityTests},
	} {
		t.Run(part.name, func(t *testing.T) {
			for _, c := range part.tests {
				t.Run(c.name, func(t *testing.T) {
					if c.reopens && o.Reopen == nil {
						t.Skip("nothing survives a restart of this store")
					}
					c.run(&fixture{T: t, Store: open(t), reopen: o.Reopen})
				})
			}
		})
	}
}

type test struct {
	name    string
	reopens bool
	run     func(*fixture)
}

// fixture is a store under test.
type fixture struct {
	*testing.T
	signing.Store
	reopen func(*testing.T, signing.Store) signing.Store
}

func (f *fixture) ctx() context.Context { return f.T.Context() }

func (f *fixture) restart() {
	f.Helper()
	f.Store = f.reopen(f.T, f.Store)
}

// must ends the test on an error.
func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatalf("got error %v, want none", err)
	}
}

func (f *fixture) wantKind(what string, err error, kind signing.Kind) {
	f.Helper()
	if err == nil || signing.KindOf(err) != kind {
		f.Errorf("%s = %v, want kind %q", what, err, kind)
	}
}

func (f *fixture) wantConflict(what string, err error) {
	f.Helper()
	if !errors.Is(err, signing.ErrConflict) {
		f.Errorf("%s = %v, want ErrConflict", what, err)
	}
}

func (f *fixture) wantEqual(what string, got, want any) {
	f.Helper()
	if !reflect.DeepEqual(got, want) {
		f.Errorf("%s = %+v, want %+v", what, got, want)
	}
}

func (f *fixture) upload() signing.Upload {
	f.Helper()
	up, err := f.NewUpload(f.ctx())
	f.must(err)
	return up
}

func (f *fixture) add(up signing.Upload, content string) signing.Content {
	f.Helper()
	c, err := up.Add(bytes.NewReader([]byte(content)))
	f.must(err)
	return c
}

// newOperation is a request with every field set, and its documents spooled.
func (f *fixture) newOperation(up signing.Upload, client, reference string, contents ...string) signing.NewOperation {
	f.Helper()
	n := signing.NewOperation{
		ClientService: client,
		Created:       time.Now(),
		Fingerprint:   sha256.Sum256([]byte(reference)),
		Request: signing.Request{
			ExternalReference: reference,
			Description:       "description of " + reference,
			ReturnContent:     true,
			Preservation:      `{"a":1}`,
		},
	}
	for i, content := range contents {
		n.Contents = append(n.Contents, f.add(up, content))
		n.Request.Documents = append(n.Request.Documents, signing.DocumentRequest{
			ExternalReference: fmt.Sprintf("%s/%d", reference, i),
			Name:              fmt.Sprintf("invoice %d.pdf", i),
			ContentType:       "application/pdf",
			Signature: signing.SignatureInfo{
				Type: signing.PAdES, Level: signing.LevelB, Reason: "reason", Location: "Évora",
			},
		})
	}
	return n
}

// create makes an operation with these documents.
func (f *fixture) create(client, reference string, contents ...string) signing.Operation {
	f.Helper()
	up := f.upload()
	op, err := f.Create(f.ctx(), up, f.newOperation(up, client, reference, contents...))
	f.must(err)
	return op
}

// many is n different small documents.
func many(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("document %d", i)
	}
	return list
}

func refsOf(id signing.ID, indexes ...int) []signing.Ref {
	refs := make([]signing.Ref, len(indexes))
	for i, index := range indexes {
		refs[i] = signing.Ref{Operation: id, Index: index}
	}
	return refs
}

func preparedOf(refs []signing.Ref) []signing.PreparedDocument {
	docs := make([]signing.PreparedDocument, len(refs))
	for i, ref := range refs {
		docs[i] = signing.PreparedDocument{Ref: ref, Prepared: signing.Prepared{
			Digest: fmt.Appendf(nil, "digest of %v", ref), State: fmt.Appendf(nil, "state of %v", ref), Certificate: "0A1F",
		}}
	}
	return docs
}

func valuesOf(refs []signing.Ref) [][]byte {
	values := make([][]byte, len(refs))
	for i, ref := range refs {
		values[i] = fmt.Appendf(nil, "value of %v", ref)
	}
	return values
}

func signedOf(refs []signing.Ref, size int) []signing.DocumentResult {
	results := make([]signing.DocumentResult, len(refs))
	for i, ref := range refs {
		section := bytes.Repeat(fmt.Appendf(nil, "section of %v;", ref), size/16+1)
		results[i] = signing.DocumentResult{Ref: ref, Section: section, Certificate: "0A1F"}
	}
	return results
}

func failedOf(refs []signing.Ref) []signing.DocumentResult {
	results := make([]signing.DocumentResult, len(refs))
	for i, ref := range refs {
		results[i] = signing.DocumentResult{
			Ref:     ref,
			Failure: &signing.Failure{Kind: signing.KindDamaged, Detail: "page 3 is missing"},
		}
	}
	return results
}

// advance takes documents to a state, with their own call if they need one.
func (f *fixture) advance(state signing.DocumentState, refs []signing.Ref) {
	f.Helper()
	steps := []struct {
		reached signing.DocumentState
		take    func() error
	}{
		{signing.DocumentReceived, func() error { return nil }},
		{signing.DocumentPrepared, func() error { return f.SavePrepared(f.ctx(), preparedOf(refs)) }},
		{signing.DocumentSent, func() error {
			return f.BeginCall(f.ctx(), signing.CallRecord{ID: callOf(refs), Credential: "credential", Refs: refs})
		}},
		{signing.DocumentValued, func() error { return f.EndCall(f.ctx(), callOf(refs), valuesOf(refs)) }},
		{signing.DocumentSigned, func() error { return f.FinishDocuments(f.ctx(), signedOf(refs, 100)) }},
	}
	if state == signing.DocumentFailed {
		f.must(f.FinishDocuments(f.ctx(), failedOf(refs)))
		return
	}
	for _, s := range steps {
		f.must(s.take())
		if s.reached == state {
			return
		}
	}
}

// callOf names the call of some documents.
func callOf(refs []signing.Ref) string { return fmt.Sprintf("call of %v", refs) }

// document reads one document.
func (f *fixture) document(ref signing.Ref) signing.Document {
	f.Helper()
	docs, err := f.Documents(f.ctx(), ref.Operation, ref.Index, 1)
	f.must(err)
	if len(docs) != 1 {
		f.Fatalf("Documents(%v) returned %d documents, want 1", ref, len(docs))
	}
	return docs[0]
}

func (f *fixture) wantStates(what string, id signing.ID, want ...signing.DocumentState) {
	f.Helper()
	docs, err := f.Documents(f.ctx(), id, 0, len(want)+1)
	f.must(err)
	got := make([]signing.DocumentState, len(docs))
	for i, d := range docs {
		got[i] = d.State
	}
	f.wantEqual(what+": states", got, want)
}

func (f *fixture) wantFile(what string, file signing.File, err error, want []byte) {
	f.Helper()
	if err != nil {
		f.Errorf("%s = %v, want a file", what, err)
		return
	}
	defer func() { _ = file.Close() }()
	if file.Size() != int64(len(want)) {
		f.Errorf("%s: size = %d, want %d", what, file.Size(), len(want))
	}
	got, err := io.ReadAll(io.NewSectionReader(file, 0, file.Size()+1))
	if err != nil || !bytes.Equal(got, want) {
		f.Errorf("%s = %.40q…, %v, want %.40q…", what, got, err, want)
	}
}

// wantCounters compares the totals, and what they always must say: what was sent has returned, was
// refused, is unknown or is in an open call.
func (f *fixture) wantCounters(what string, want signing.Counters) {
	f.Helper()
	got, err := f.Counters(f.ctx())
	f.must(err)
	f.wantEqual(what+": counters", got, want)
	calls, err := f.OpenCalls(f.ctx())
	f.must(err)
	open := int64(0)
	for _, c := range calls {
		open += int64(len(c.Refs))
	}
	if got.Sent != got.Returned+got.Unknown+got.Refused+open {
		f.Errorf("%s: counters %+v with %d digests in open calls do not add up", what, got, open)
	}
}

// midstate continues a digest from a Content's midstate.
func midstate(state []byte, more string) ([]byte, error) {
	h := sha256.New()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		return nil, err
	}
	h.Write([]byte(more))
	return h.Sum(nil), nil
}

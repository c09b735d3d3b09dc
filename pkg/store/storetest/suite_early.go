package storetest

import (
	"context"
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// earlyTests are about NewOperation.SignEarly and RecordFreeCalls.
var earlyTests = []test{
	{name: "an operation that is signed early ends when it is created", run: func(f *fixture) {
		for _, size := range []int{100, 100_000} { // sections in the database, and behind the documents
			up := f.upload()
			n := f.newOperation(up, "client", fmt.Sprint("early", size), "a", "b")
			var seen signing.Operation
			n.SignEarly = func(ctx context.Context, op signing.Operation, docs []signing.Document) []signing.DocumentResult {
				seen = op
				f.wantEarlyDocuments(ctx, n, op, docs, "a", "b")
				return signedOf(refsOf(op.ID, 0, 1), size)
			}
			op, err := f.Create(f.ctx(), up, n)
			f.must(err)
			if op.Status != signing.StatusExecuted || op.Ended.IsZero() {
				f.Errorf("Create = %+v, want an operation that has ended", op)
			}
			got, err := f.Operation(f.ctx(), op.ID)
			f.must(err)
			f.wantEqual("Operation", got, op)
			op.Status, op.Ended = seen.Status, seen.Ended
			f.wantEqual("operation of SignEarly", seen, op)
			docs, err := f.Documents(f.ctx(), op.ID, 0, 10)
			f.must(err)
			for i, d := range docs {
				if d.State != signing.DocumentSigned {
					f.Errorf("document %d is %s, want signed", i, d.State)
				}
				f.wantEqual("CertificateSerial", d.CertificateSerial, "0A1F")
				section, _, err := f.OpenSection(f.ctx(), d.Ref)
				f.wantFile("section", section, err, signedOf(refsOf(op.ID, i), size)[0].Section)
				f.wantStored(f.ctx(), op.ID, d.Content, []string{"a", "b"}[i])
			}
			unfinished, err := f.Unfinished(f.ctx())
			f.must(err)
			f.wantEqual("Unfinished", len(unfinished), 0)
		}
	}},
	{name: "an operation that is not signed early waits for the worker", run: func(f *fixture) {
		up := f.upload()
		n := f.newOperation(up, "client", "late", "a")
		n.SignEarly = func(context.Context, signing.Operation, []signing.Document) []signing.DocumentResult { return nil }
		op, err := f.Create(f.ctx(), up, n)
		f.must(err)
		f.wantEqual("Create", op.Status, signing.StatusPending)
		unfinished, err := f.Unfinished(f.ctx())
		f.must(err)
		f.wantEqual("Unfinished", unfinished, []signing.ID{op.ID})
	}},
	{name: "a used reference is refused although the documents were signed", run: func(f *fixture) {
		up := f.upload()
		n := f.newOperation(up, "client", "twice", "a")
		n.SignEarly = func(_ context.Context, op signing.Operation, _ []signing.Document) []signing.DocumentResult {
			f.create("client", "twice", "b") // a request that comes meanwhile
			return signedOf(refsOf(op.ID, 0), 100)
		}
		_, err := f.Create(f.ctx(), up, n)
		f.wantKind("Create", err, signing.KindReferenceUsed)
	}},
	{name: "free calls are counted", run: func(f *fixture) {
		docs := make([]signing.Document, 3)
		f.must(f.RecordFreeCalls(f.ctx(), []signing.FreeCall{{ID: "1", Documents: docs}, {ID: "2", Documents: docs[:1]}}))
		c, err := f.Counters(f.ctx())
		f.must(err)
		f.wantEqual("Counters", c, signing.Counters{Sent: 4, Returned: 4})
	}},
}

// wantEarlyDocuments checks what SignEarly gets.
func (f *fixture) wantEarlyDocuments(
	ctx context.Context, n signing.NewOperation, op signing.Operation, docs []signing.Document, contents ...string,
) {
	if len(docs) != len(contents) {
		f.Errorf("SignEarly got %d documents, want %d", len(docs), len(contents))
		return
	}
	for i, d := range docs {
		f.wantEqual("document of SignEarly", d, signing.Document{
			Ref: signing.Ref{Operation: op.ID, Index: i}, DocumentRequest: n.Request.Documents[i], InternalID: d.InternalID,
			Content: n.Contents[i], State: signing.DocumentReceived, Received: op.Created,
		})
		f.wantStored(ctx, op.ID, d.Content, contents[i])
	}
	if _, err := f.Operation(ctx, op.ID); signing.KindOf(err) != signing.KindNotFound {
		f.Errorf("Operation during SignEarly = %v, want KindNotFound", err)
	}
}

// wantStored compares a file of an operation.
func (f *fixture) wantStored(ctx context.Context, id signing.ID, c signing.Content, want string) {
	f.Helper()
	file, err := f.OpenFile(ctx, id, c)
	f.wantFile("file", file, err, []byte(want))
}

package storetest

import (
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

var durabilityTests = []test{
	{name: "every state survives", reopens: true, run: func(f *fixture) {
		ops := make(map[signing.DocumentState]signing.Operation)
		for _, state := range allStates {
			op := f.create("c", string(state), many(2)...)
			f.advance(state, refsOf(op.ID, 0, 1))
			ops[state] = op
		}
		counters, err := f.Counters(f.ctx())
		f.must(err)
		calls, err := f.OpenCalls(f.ctx())
		f.must(err)
		before := make(map[signing.DocumentState][]signing.Document)
		for state, op := range ops {
			before[state], err = f.Documents(f.ctx(), op.ID, 0, 10)
			f.must(err)
		}
		for range 2 {
			f.restart()
			for state, op := range ops {
				got, err := f.Operation(f.ctx(), op.ID)
				f.must(err)
				f.wantEqual("Operation", got, op)
				docs, err := f.Documents(f.ctx(), op.ID, 0, 10)
				f.must(err)
				f.wantEqual("Documents", docs, before[state])
				file, err := f.OpenFile(f.ctx(), op.ID, docs[1].Content)
				f.wantFile("OpenFile", file, err, []byte(many(2)[1]))
			}
			f.wantPrepared(refsOf(ops[signing.DocumentPrepared].ID, 0)[0], nil)
			valued := refsOf(ops[signing.DocumentValued].ID, 0, 1)
			f.wantPrepared(valued[1], valuesOf(valued)[1])
			signed := signedOf(refsOf(ops[signing.DocumentSigned].ID, 0, 1), 100)[1]
			file, _, err := f.OpenSection(f.ctx(), signed.Ref)
			f.wantFile("OpenSection", file, err, signed.Section)
			f.wantCounters("after a restart", counters)
			again, err := f.OpenCalls(f.ctx())
			f.must(err)
			f.wantEqual("OpenCalls", again, calls)
		}
	}},
	{name: "work continues after a restart", reopens: true, run: func(f *fixture) {
		op := f.create("c", "r", many(2)...)
		refs := refsOf(op.ID, 0, 1)
		f.restart()
		f.must(f.SavePrepared(f.ctx(), preparedOf(refs)))
		f.restart()
		f.must(f.BeginCall(f.ctx(), signing.CallRecord{ID: "call", Credential: "credential", Refs: refs}))
		f.restart()
		f.must(f.NoteCall(f.ctx(), "call", "handle"))
		f.restart()
		f.must(f.EndCall(f.ctx(), "call", valuesOf(refs)))
		f.restart()
		f.must(f.FinishDocuments(f.ctx(), signedOf(refs, 40_000)))
		f.restart()
		ended := time.Now()
		f.must(
			f.SetStatus(f.ctx(), op.ID, signing.StatusPending,
				signing.StatusChange{Status: signing.StatusExecuted, Ended: ended}),
		)
		f.restart()
		got, err := f.Operation(f.ctx(), op.ID)
		f.must(err)
		f.wantEqual("Status", got.Status, signing.StatusExecuted)
		f.wantEqual("Ended", got.Ended, stamp(ended))
		f.wantStates("in the end", op.ID, signing.DocumentSigned, signing.DocumentSigned)
		for _, r := range signedOf(refs, 40_000) {
			file, _, err := f.OpenSection(f.ctx(), r.Ref)
			f.wantFile("OpenSection", file, err, r.Section)
		}
	}},
	{name: "references and ids are remembered", reopens: true, run: func(f *fixture) {
		op := f.create("c", "r", many(5)...)
		f.restart()
		up := f.upload()
		_, err := f.Create(f.ctx(), up, f.newOperation(up, "c", "r", "b"))
		f.wantKind("Create with a used reference", err, signing.KindReferenceUsed)
		up.Discard()
		last := f.document(refsOf(op.ID, 4)[0])
		next := f.create("c", "s", "a")
		if int64(next.ID) <= last.InternalID || f.document(refsOf(next.ID, 0)[0]).InternalID <= last.InternalID {
			f.Errorf("ID after a restart = %d, want more than %d", next.ID, last.InternalID)
		}
	}},
	{name: "uploads do not survive", reopens: true, run: func(f *fixture) {
		up := f.upload()
		n := f.newOperation(up, "c", "r", "lost")
		f.restart()
		if _, err := f.Create(f.ctx(), up, n); err == nil {
			f.Error("Create from an upload of an earlier process = nil, want an error")
		}
		ids, err := f.Unfinished(f.ctx())
		if len(ids) != 0 || err != nil {
			f.Errorf("Unfinished = %v, %v, want nothing", ids, err)
		}
	}},
}

package storetest

import (
	"fmt"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// allStates are the states a document can be in.
var allStates = []signing.DocumentState{
	signing.DocumentReceived,
	signing.DocumentPrepared,
	signing.DocumentSent,
	signing.DocumentValued,
	signing.DocumentSigned,
	signing.DocumentFailed,
}

// moves says which states each change accepts, and where it leads.
var moves = []struct {
	name string
	from []signing.DocumentState
	to   signing.DocumentState
	try  func(f *fixture, refs []signing.Ref) error
}{
	{"SavePrepared", allStates[:2], signing.DocumentPrepared, func(f *fixture, refs []signing.Ref) error {
		return f.SavePrepared(f.ctx(), preparedOf(refs))
	}},
	{"BeginCall", allStates[1:2], signing.DocumentSent, func(f *fixture, refs []signing.Ref) error {
		return f.BeginCall(f.ctx(), signing.CallRecord{ID: "tried", Credential: "credential", Refs: refs})
	}},
	{"FinishDocuments signed", allStates[3:4], signing.DocumentSigned, func(f *fixture, refs []signing.Ref) error {
		return f.FinishDocuments(f.ctx(), signedOf(refs, 50))
	}},
	{"FinishDocuments failed", allStates[:4], signing.DocumentFailed, func(f *fixture, refs []signing.Ref) error {
		return f.FinishDocuments(f.ctx(), failedOf(refs))
	}},
}

var journalTests = []test{
	{name: "every change from every state", run: func(f *fixture) {
		for _, move := range moves {
			for _, state := range allStates {
				op := f.create("c", move.name+string(state), "a", "b")
				refs := refsOf(op.ID, 1)
				f.advance(state, refs)
				err := move.try(f, refs)
				want := state
				if slices.Contains(move.from, state) {
					f.must(err)
					want = move.to
				} else {
					f.wantConflict(move.name+" from "+string(state), err)
				}
				f.wantStates(move.name+" from "+string(state), op.ID, signing.DocumentReceived, want)
			}
		}
	}},
	{name: "one conflict stores nothing of a change", run: func(f *fixture) {
		for i, move := range moves {
			op := f.create("c", fmt.Sprint(i), many(3)...)
			f.advance(move.from[len(move.from)-1], refsOf(op.ID, 0, 2))
			f.advance(signing.DocumentFailed, refsOf(op.ID, 1))
			before, err := f.Counters(f.ctx())
			f.must(err)
			at := move.from[len(move.from)-1]
			for what, refs := range map[string][]signing.Ref{
				"one in the wrong state": refsOf(op.ID, 0, 1, 2),
				"one named twice":        refsOf(op.ID, 0, 2, 0),
				"a missing one":          refsOf(op.ID, 0, 3, 2),
				"one below the first":    refsOf(op.ID, 0, -1),
				"another operation":      append(refsOf(op.ID, 0), signing.Ref{Operation: op.ID + 1<<20}),
			} {
				f.wantConflict(move.name+": "+what, move.try(f, refs))
				f.wantStates(move.name+": "+what, op.ID, at, signing.DocumentFailed, at)
				f.wantCounters(move.name+": "+what, before)
			}
		}
	}},
	{name: "positions never reach into a neighbour", run: func(f *fixture) {
		first, second := f.create("c", "1", many(2)...), f.create("c", "2", many(2)...)
		f.advance(signing.DocumentPrepared, refsOf(second.ID, 0, 1))
		for index := 2; index < 8; index++ {
			refs := refsOf(first.ID, index)
			f.wantConflict("BeginCall", f.BeginCall(f.ctx(), signing.CallRecord{ID: "x", Credential: "credential", Refs: refs}))
			_, _, err := f.Prepared(f.ctx(), refs[0])
			f.wantKind("Prepared", err, signing.KindNotFound)
		}
		f.wantStates("neighbour", second.ID, signing.DocumentPrepared, signing.DocumentPrepared)
	}},
	{name: "prepared values come back until the document ends", run: func(f *fixture) {
		op := f.create("c", "r", many(2)...)
		refs := refsOf(op.ID, 1)
		_, _, err := f.Prepared(f.ctx(), refs[0])
		f.wantKind("Prepared of a received document", err, signing.KindNotFound)
		_, _, err = f.Prepared(f.ctx(), signing.Ref{Operation: 9, Index: -1})
		f.wantKind("Prepared of nothing", err, signing.KindNotFound)
		f.advance(signing.DocumentPrepared, refs)
		f.wantPrepared(refs[0], nil)
		f.must(f.BeginCall(f.ctx(), signing.CallRecord{ID: "call", Credential: "credential", Refs: refs}))
		f.wantPrepared(refs[0], nil)
		f.must(f.EndCall(f.ctx(), "call", valuesOf(refs)))
		f.wantPrepared(refs[0], valuesOf(refs)[0])
		f.wantEqual("CertificateSerial before the end", f.document(refs[0]).CertificateSerial, "")
		f.must(f.FinishDocuments(f.ctx(), signedOf(refs, 10)))
		f.wantEqual("CertificateSerial", f.document(refs[0]).CertificateSerial, "0A1F")
		_, _, err = f.Prepared(f.ctx(), refs[0])
		f.wantKind("Prepared of a signed document", err, signing.KindNotFound)

		refs = refsOf(op.ID, 0)
		f.advance(signing.DocumentPrepared, refs)
		f.must(f.FinishDocuments(f.ctx(), failedOf(refs)))
		_, _, err = f.Prepared(f.ctx(), refs[0])
		f.wantKind("Prepared of a failed document", err, signing.KindNotFound)
	}},
	{name: "a document prepared again has the later value", run: func(f *fixture) {
		op := f.create("c", "r", "a")
		refs := refsOf(op.ID, 0)
		f.must(
			f.SavePrepared(
				f.ctx(),
				[]signing.PreparedDocument{{Ref: refs[0], Prepared: signing.Prepared{Digest: []byte("old"), State: []byte("old")}}},
			),
		)
		f.must(f.SavePrepared(f.ctx(), preparedOf(refs)))
		f.wantPrepared(refs[0], nil)
	}},
	{name: "failures", run: func(f *fixture) {
		op := f.create("c", "r", many(2)...)
		f.must(f.FinishDocuments(f.ctx(), failedOf(refsOf(op.ID, 1))))
		d := f.document(refsOf(op.ID, 1)[0])
		f.wantEqual("Failure", d.Failure, failedOf(refsOf(op.ID, 1))[0].Failure)
		if got := f.document(refsOf(op.ID, 0)[0]).Failure; got != nil {
			f.Errorf("Failure of the neighbour = %v, want none", got)
		}
		internal := signing.DocumentResult{Ref: refsOf(op.ID, 0)[0], Failure: &signing.Failure{Kind: signing.KindInternal}}
		f.must(f.FinishDocuments(f.ctx(), []signing.DocumentResult{internal}))
		f.wantEqual("Failure of kind internal", f.document(internal.Ref).Failure, internal.Failure)
	}},
	{name: "results that say nothing or too much", run: func(f *fixture) {
		op := f.create("c", "r", "a")
		refs := refsOf(op.ID, 0)
		f.advance(signing.DocumentValued, refs)
		both := signing.DocumentResult{Ref: refs[0], Section: []byte("s"), Failure: &signing.Failure{}}
		for name, r := range map[string]signing.DocumentResult{"neither": {Ref: refs[0]}, "both": both} {
			if err := f.FinishDocuments(f.ctx(), []signing.DocumentResult{r}); err == nil {
				f.Errorf("FinishDocuments with %s of section and failure = nil, want an error", name)
			}
		}
		f.wantStates("after", op.ID, signing.DocumentValued)
	}},
	{name: "one conflict stores nothing of a large change", run: func(f *fixture) {
		const n = 20
		op := f.create("c", "r", many(n)...)
		refs := refsOf(op.ID, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19)
		f.advance(signing.DocumentFailed, refs[n-1:])
		prepared := preparedOf(refs)
		for i := range prepared {
			prepared[i].State = make([]byte, 1<<20)
		}
		f.wantConflict("SavePrepared", f.SavePrepared(f.ctx(), prepared))
		want := slices.Repeat([]signing.DocumentState{signing.DocumentReceived}, n)
		want[n-1] = signing.DocumentFailed
		f.wantStates("after", op.ID, want...)
	}},
	{name: "a large change is stored whole", run: func(f *fixture) {
		const n = 700
		op := f.create("c", "r", many(n)...)
		all := make([]int, n)
		for i := range all {
			all[i] = n - 1 - i
		}
		refs := refsOf(op.ID, all...)
		prepared := preparedOf(refs)
		for i := range prepared {
			prepared[i].State = append(make([]byte, 10_000), prepared[i].State...)
		}
		f.must(f.SavePrepared(f.ctx(), prepared))
		f.must(f.BeginCall(f.ctx(), signing.CallRecord{ID: "call", Credential: "credential", Refs: refs}))
		f.must(f.EndCall(f.ctx(), "call", valuesOf(refs)))
		p, value, err := f.Prepared(f.ctx(), refs[17])
		f.must(err)
		f.wantEqual("Prepared", p, prepared[17].Prepared)
		f.wantEqual("value", value, valuesOf(refs)[17])
		results := append(signedOf(refs[:n-1], 8000), failedOf(refs[n-1:])...)
		f.must(f.FinishDocuments(f.ctx(), results))
		for _, i := range []int{0, 1, n / 2, n - 2} {
			file, _, err := f.OpenSection(f.ctx(), refs[i])
			f.wantFile("OpenSection", file, err, results[i].Section)
		}
		f.wantEqual("state of the failed one", f.document(refs[n-1]).State, signing.DocumentFailed)
		f.wantCounters("in the end", signing.Counters{Sent: n, Returned: n})
	}},
}

func (f *fixture) wantPrepared(ref signing.Ref, value []byte) {
	f.Helper()
	p, got, err := f.Prepared(f.ctx(), ref)
	f.must(err)
	f.wantEqual("Prepared", p, preparedOf([]signing.Ref{ref})[0].Prepared)
	if string(got) != string(value) {
		f.Errorf("signature value = %q, want %q", got, value)
	}
}

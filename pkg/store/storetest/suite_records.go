package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

var recordTests = []test{
	{name: "an operation comes back as it was created", run: func(f *fixture) {
		up := f.upload()
		n := f.newOperation(up, "client", "ref/with blanks % and é", "a", "b")
		n.IdempotencyKey, n.Callback = "key", "https://erp.example.org/ended"
		n.Request.Documents[0].Signature = signing.SignatureInfo{
			Type: signing.CAdES, Level: signing.LevelLTA, Packaging: signing.Detached, Existing: signing.Wrap,
		}
		n.Request.Documents[1].Signature = signing.SignatureInfo{
			Type: signing.XAdES, Level: signing.LevelB, Profile: "facturae",
			Advanced: &signing.AdvancedSignature{
				SignatureLocation: "/a", SignatureTransform: "XPATH", CanonicalTransform: "EXCLUSIVE",
			},
		}
		before := time.Now()
		op, err := f.Create(f.ctx(), up, n)
		f.must(err)
		want := signing.Operation{
			ID:                op.ID,
			ClientService:     "client",
			ExternalReference: n.Request.ExternalReference,
			Description:       n.Request.Description,
			Preservation:      n.Request.Preservation,
			ReturnContent:     true,
			IdempotencyKey:    "key",
			Callback:          "https://erp.example.org/ended",
			Fingerprint:       n.Fingerprint,
			Status:            signing.StatusPending,
			Created:           stamp(n.Created),
			DocumentCount:     2,
		}
		f.wantEqual("Create", op, want)
		got, err := f.Operation(f.ctx(), op.ID)
		f.must(err)
		f.wantEqual("Operation", got, want)
		if op.ID <= 0 || int64(op.ID) >= 1<<53 || got.Created.After(before) {
			f.Errorf("ID = %d, Created = %v, want an ID below 2^53 and the time given", op.ID, got.Created)
		}
		docs, err := f.Documents(f.ctx(), op.ID, 0, 100)
		f.must(err)
		for i, d := range docs {
			f.wantEqual("Documents", d, signing.Document{
				Ref: signing.Ref{Operation: op.ID, Index: i}, DocumentRequest: n.Request.Documents[i], InternalID: d.InternalID,
				Content: n.Contents[i], State: signing.DocumentReceived, Received: stamp(n.Created),
			})
		}
	}},
	{name: "ids are unique and rise", run: func(f *fixture) {
		var last signing.ID
		internal := make(map[int64]bool)
		for i := range 5 {
			op := f.create("c", fmt.Sprint(i), many(3)...)
			if op.ID <= last {
				f.Errorf("ID = %d after %d, want a higher one", op.ID, last)
			}
			if op.ID.Ordinal() != last.Ordinal() && last != 0 {
				f.Errorf("Ordinal = %d, want %d", op.ID.Ordinal(), last.Ordinal())
			}
			last = op.ID
			docs, err := f.Documents(f.ctx(), op.ID, 0, 3)
			f.must(err)
			for _, d := range docs {
				if internal[d.InternalID] || d.InternalID >= 1<<53 {
					f.Errorf("InternalID = %d, want one that is new and below 2^53", d.InternalID)
				}
				internal[d.InternalID] = true
			}
		}
	}},
	{name: "an operation that has ended can be removed", run: func(f *fixture) {
		up := f.upload()
		n := f.newOperation(up, "c", "ref", "first", "second")
		n.IdempotencyKey = "key"
		op, err := f.Create(f.ctx(), up, n)
		f.must(err)
		other := f.create("c", "other", "third")
		f.wantConflict("Remove of a pending operation", f.Remove(f.ctx(), op.ID))
		for i := range n.Contents {
			f.must(f.FinishDocuments(f.ctx(), []signing.DocumentResult{
				{
					Ref: signing.Ref{
						Operation: op.ID,
						Index:     i,
					},
					Failure: &signing.Failure{Kind: signing.KindDamaged, Detail: "damaged"},
				},
			}))
		}
		f.must(
			f.SetStatus(f.ctx(), op.ID, signing.StatusPending,
				signing.StatusChange{Status: signing.StatusFailed, Ended: time.Now()}),
		)
		open, err := f.OpenFile(f.ctx(), op.ID, n.Contents[1])
		f.must(err)
		f.must(f.Remove(f.ctx(), op.ID))
		f.wantFile("a file that was open", open, nil, []byte("second"))
		f.wantKind("Remove again", f.Remove(f.ctx(), op.ID), signing.KindNotFound)
		_, err = f.Operation(f.ctx(), op.ID)
		f.wantKind("Operation", err, signing.KindNotFound)
		_, err = f.OpenFile(f.ctx(), op.ID, n.Contents[0])
		f.wantKind("OpenFile", err, signing.KindNotFound)
		_, err = f.FindByKey(f.ctx(), "c", "key")
		f.wantKind("FindByKey", err, signing.KindNotFound)
		f.create("c", "ref", "the reference is free again")
		if _, err := f.Operation(f.ctx(), other.ID); err != nil {
			f.Errorf("Operation of the neighbour = %v", err)
		}
	}},
	{name: "an empty store", run: func(f *fixture) {
		_, err := f.Operation(f.ctx(), 12345)
		f.wantKind("Operation", err, signing.KindNotFound)
		_, err = f.FindByKey(f.ctx(), "c", "k")
		f.wantKind("FindByKey", err, signing.KindNotFound)
		_, err = f.FindByDocumentReference(f.ctx(), "c", "r")
		f.wantKind("FindByDocumentReference", err, signing.KindNotFound)
		ops, err := f.FindByReference(f.ctx(), "c", "r")
		if len(ops) != 0 || err != nil {
			f.Errorf("FindByReference = %v, %v, want nothing", ops, err)
		}
		docs, err := f.Documents(f.ctx(), 12345, 0, 10)
		if len(docs) != 0 || err != nil {
			f.Errorf("Documents = %v, %v, want nothing", docs, err)
		}
		ids, err := f.Unfinished(f.ctx())
		if len(ids) != 0 || err != nil {
			f.Errorf("Unfinished = %v, %v, want nothing", ids, err)
		}
		calls, err := f.OpenCalls(f.ctx())
		if len(calls) != 0 || err != nil {
			f.Errorf("OpenCalls = %v, %v, want nothing", calls, err)
		}
	}},
	{name: "a reference is used once by a client service", run: func(f *fixture) {
		first := f.create("one", "ref", "a")
		up := f.upload()
		n := f.newOperation(up, "one", "ref", "b")
		_, err := f.Create(f.ctx(), up, n)
		f.wantKind("Create with a used reference", err, signing.KindReferenceUsed)
		up.Discard()
		second := f.create("two", "ref", "c")
		for client, want := range map[string]signing.Operation{"one": first, "two": second} {
			ops, err := f.FindByReference(f.ctx(), client, "ref")
			f.must(err)
			f.wantEqual("FindByReference of "+client, ops, []signing.Operation{want})
		}
		ops, err := f.FindByReference(f.ctx(), "three", "ref")
		if len(ops) != 0 || err != nil {
			f.Errorf("FindByReference of a third = %v, %v, want nothing", ops, err)
		}
	}},
	{name: "a reference stays used when the operation has ended", run: func(f *fixture) {
		op := f.create("c", "ref", "a")
		f.must(
			f.SetStatus(f.ctx(), op.ID, signing.StatusPending,
				signing.StatusChange{Status: signing.StatusFailed, Ended: time.Now()}),
		)
		up := f.upload()
		_, err := f.Create(f.ctx(), up, f.newOperation(up, "c", "ref", "b"))
		f.wantKind("Create", err, signing.KindReferenceUsed)
	}},
	{name: "idempotency keys", run: func(f *fixture) {
		made := make(map[string]signing.Operation)
		for _, client := range []string{"one", "two"} {
			up := f.upload()
			n := f.newOperation(up, client, "ref", "a")
			n.IdempotencyKey = "key"
			op, err := f.Create(f.ctx(), up, n)
			f.must(err)
			made[client] = op
			f.create(client, "no key", "a")
			f.create(client, "no key either", "a")
		}
		for client, want := range made {
			got, err := f.FindByKey(f.ctx(), client, "key")
			f.must(err)
			f.wantEqual("FindByKey", got, want)
		}
		_, err := f.FindByKey(f.ctx(), "one", "")
		f.wantKind("FindByKey of no key", err, signing.KindNotFound)
		up := f.upload()
		n := f.newOperation(up, "one", "other", "b")
		n.IdempotencyKey = "key"
		_, err = f.Create(f.ctx(), up, n)
		f.wantKind("Create with a used key", err, signing.KindKeyReused)
	}},
	{name: "a refused request leaves nothing", run: func(f *fixture) {
		f.create("c", "ref", "a")
		up := f.upload()
		_, err := f.Create(f.ctx(), up, f.newOperation(up, "c", "ref", "b", "c"))
		f.wantKind("Create", err, signing.KindReferenceUsed)
		ids, err := f.Unfinished(f.ctx())
		f.must(err)
		if len(ids) != 1 {
			f.Errorf("Unfinished = %v, want the first operation alone", ids)
		}
		_, err = f.FindByDocumentReference(f.ctx(), "c", "ref/1")
		f.wantKind("FindByDocumentReference of the refused", err, signing.KindNotFound)
	}},
	{name: "requests that do not match their upload", run: func(f *fixture) {
		for name, spoil := range map[string]func(*signing.NewOperation){
			"no documents":     func(n *signing.NewOperation) { n.Contents, n.Request.Documents = nil, nil },
			"too few contents": func(n *signing.NewOperation) { n.Contents = n.Contents[:1] },
			"too many":         func(n *signing.NewOperation) { n.Contents = append(n.Contents, n.Contents[0]) },
		} {
			up := f.upload()
			n := f.newOperation(up, "c", name, "a", "b")
			spoil(&n)
			if _, err := f.Create(f.ctx(), up, n); err == nil {
				f.Errorf("Create with %s = nil, want an error", name)
			}
			up.Discard()
		}
		ids, err := f.Unfinished(f.ctx())
		if len(ids) != 0 || err != nil {
			f.Errorf("Unfinished = %v, %v, want nothing", ids, err)
		}
	}},
	{name: "the newest operation with a document reference", run: func(f *fixture) {
		var newest signing.ID
		for i := range 3 {
			up := f.upload()
			n := f.newOperation(up, "c", fmt.Sprint(i), "a", "b")
			n.Request.Documents[1].ExternalReference = "always the same"
			op, err := f.Create(f.ctx(), up, n)
			f.must(err)
			newest = op.ID
		}
		up := f.upload()
		n := f.newOperation(up, "other", "3", "a")
		n.Request.Documents[0].ExternalReference = "always the same"
		foreign, err := f.Create(f.ctx(), up, n)
		f.must(err)
		for client, want := range map[string]signing.ID{"c": newest, "other": foreign.ID} {
			got, err := f.FindByDocumentReference(f.ctx(), client, "always the same")
			if got != want || err != nil {
				f.Errorf("FindByDocumentReference of %s = %v, %v, want %v", client, got, err, want)
			}
		}
		_, err = f.FindByDocumentReference(f.ctx(), "nobody", "always the same")
		f.wantKind("FindByDocumentReference of a third", err, signing.KindNotFound)
	}},
	{name: "pages of documents", run: func(f *fixture) {
		f.create("c", "before", many(7)...)
		op := f.create("c", "r", many(10)...)
		f.create("c", "after", many(7)...)
		for _, c := range []struct {
			from, limit int
			want        []int
		}{
			{0, 3, []int{0, 1, 2}}, {8, 100, []int{8, 9}}, {10, 1, nil},
			{11, 5, nil}, {0, 0, nil}, {0, -1, nil}, {-5, 2, []int{0, 1}},
			{1 << 40, 5, nil}, {9, 1 << 40, []int{9}},
		} {
			docs, err := f.Documents(f.ctx(), op.ID, c.from, c.limit)
			f.must(err)
			var got []int
			for _, d := range docs {
				got = append(got, d.Index)
			}
			if !slices.Equal(got, c.want) {
				f.Errorf("Documents(%d, %d) = %v, want %v", c.from, c.limit, got, c.want)
			}
		}
	}},
	{name: "statuses", run: func(f *fixture) {
		a, b := f.create("c", "a", "x"), f.create("c", "b", "x")
		next, ended := time.Now().Add(time.Minute), time.Now().Add(time.Hour)
		retry := signing.StatusChange{Status: signing.StatusRetrying, Tries: 2, NextTry: next}
		f.wantConflict("SetStatus from another status", f.SetStatus(f.ctx(), a.ID, signing.StatusRetrying, retry))
		f.wantConflict("SetStatus of nothing", f.SetStatus(f.ctx(), b.ID+1024*9, signing.StatusPending, retry))
		f.must(f.SetStatus(f.ctx(), a.ID, signing.StatusPending, retry))
		a.Status, a.Tries, a.NextTry = signing.StatusRetrying, 2, stamp(next)
		got, err := f.Operation(f.ctx(), a.ID)
		f.must(err)
		f.wantEqual("Operation that is tried again", got, a)
		ids, err := f.Unfinished(f.ctx())
		f.must(err)
		f.wantEqual("Unfinished", ids, []signing.ID{a.ID, b.ID})

		end := signing.StatusChange{Status: signing.StatusExecuted, Tries: 2, Ended: ended}
		f.must(f.SetStatus(f.ctx(), a.ID, signing.StatusRetrying, end))
		a.Status, a.NextTry, a.Ended = signing.StatusExecuted, time.Time{}, stamp(ended)
		got, err = f.Operation(f.ctx(), a.ID)
		f.must(err)
		f.wantEqual("Operation that has ended", got, a)
		ids, err = f.Unfinished(f.ctx())
		f.must(err)
		f.wantEqual("Unfinished", ids, []signing.ID{b.ID})
		f.wantConflict("SetStatus of an ended operation", f.SetStatus(f.ctx(), a.ID, signing.StatusExecuted, retry))
	}},
}

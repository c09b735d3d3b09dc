//go:build linux

package hotfolder_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// fakeService is a service in memory. It signs a document by writing "signed " before it. A
// document that contains "bad" fails, and one that contains "slow" waits for release.
type fakeService struct {
	mu       sync.Mutex
	ops      map[signing.ID]*fakeOperation
	next     signing.ID
	busy     bool
	signed   int // signatures
	released bool

	certificate string // serial number; empty = not known
}

type fakeOperation struct {
	signing.Operation
	docs    []signing.Document
	content [][]byte
	removed bool
}

func newFakeService() *fakeService { return &fakeService{ops: make(map[signing.ID]*fakeOperation)} }

type fakeUpload struct{ content [][]byte }

func (u *fakeUpload) Add(r io.Reader) (c signing.Content, err error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return c, fmt.Errorf("read document: %w", err)
	}
	u.content = append(u.content, data)
	return signing.Content{
		File:   fmt.Sprint(len(u.content) - 1),
		Size:   int64(len(data)),
		SHA256: sha256.Sum256(data),
	}, nil
}
func (u *fakeUpload) AddShared(r io.Reader) (signing.Content, error) { return u.Add(r) }
func (u *fakeUpload) Discard()                                       {}

func (s *fakeService) Admit(string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy {
		return signing.Errorf(signing.KindBusy, "the queue is full").Retryable(5 * time.Second)
	}
	return nil
}

func (s *fakeService) NewUpload(context.Context) (signing.Upload, error) { return &fakeUpload{}, nil }

func (s *fakeService) CheckOptions(i signing.SignatureInfo) error {
	if i.Type != signing.CAdES && i.Packaging != "" {
		return signing.Errorf(signing.KindInvalid, "packaging is for CAdES")
	}
	return nil
}

func (s *fakeService) Submit(_ context.Context, up signing.Upload, sub signing.Submission) (
	op signing.Operation, replayed bool, err error,
) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.ops {
		if o.ExternalReference == sub.Request.ExternalReference {
			return op, false, signing.Errorf(signing.KindReferenceUsed, "used")
		}
	}
	s.next++
	o := &fakeOperation{content: up.(*fakeUpload).content}
	o.Operation = signing.Operation{ID: s.next, ClientService: sub.ClientService, DocumentCount: len(sub.Contents),
		ExternalReference: sub.Request.ExternalReference, Status: signing.StatusPending, Callback: sub.Callback}
	for i, d := range sub.Request.Documents {
		o.docs = append(o.docs, signing.Document{Ref: signing.Ref{Operation: s.next, Index: i}, DocumentRequest: d,
			Content: sub.Contents[i], State: signing.DocumentReceived})
	}
	s.ops[s.next] = o
	s.work(o)
	return o.Operation, false, nil
}

// work ends the documents of an operation that can end.
func (s *fakeService) work(o *fakeOperation) {
	left := 0
	for i := range o.docs {
		d := &o.docs[i]
		text := o.content[len(o.content)-len(o.docs)+i]
		switch {
		case d.State.Ended():
		case bytes.Contains(text, []byte("slow")) && !s.released:
			left++
		case bytes.Contains(text, []byte("bad")):
			d.State, d.Failure = signing.DocumentFailed, &signing.Failure{
				Kind:   signing.KindDamaged,
				Detail: "it is bad",
			}
		default:
			d.State, d.CertificateSerial = signing.DocumentSigned, s.certificate
			s.signed++
		}
	}
	if left == 0 {
		o.Status = signing.StatusExecuted
	}
}

// release ends the documents that are slow.
func (s *fakeService) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.released = true
	for _, o := range s.ops {
		s.work(o)
	}
}

func (s *fakeService) FindByReference(
	_ context.Context,
	client, reference string,
) (list []signing.Operation, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.ops {
		if o.ClientService == client && o.ExternalReference == reference && !o.removed {
			list = append(list, o.Operation)
		}
	}
	return list, nil
}

func (s *fakeService) Wait(ctx context.Context, id signing.ID) (signing.Operation, error) {
	s.mu.Lock()
	o := s.ops[id]
	ended := o.Status.Ended()
	s.mu.Unlock()
	if !ended {
		<-ctx.Done()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return o.Operation, nil
}

func (s *fakeService) Documents(_ context.Context, id signing.ID, from, limit int) ([]signing.Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	docs := s.ops[id].docs
	return slices.Clone(docs[min(from, len(docs)):min(from+limit, len(docs))]), nil
}

type memoryFile struct{ *strings.Reader }

func (memoryFile) Close() error { return nil }

func (s *fakeService) OpenSigned(_ context.Context, d signing.Document) (signing.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.ops[d.Operation]
	return memoryFile{strings.NewReader("signed " + string(o.content[len(o.content)-len(o.docs)+d.Index]))}, nil
}

func (s *fakeService) Fetched(context.Context, signing.ID) {}

func (s *fakeService) Remove(_ context.Context, client string, id signing.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.ops[id]
	if o.ClientService != client || o.removed || !o.Status.Ended() {
		return signing.Errorf(signing.KindNotFound, "no ended operation with id %s", id)
	}
	o.removed = true
	return nil
}

// documents returns all documents that were submitted, by name.
func (s *fakeService) documents() map[string]signing.Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make(map[string]signing.Document)
	for _, o := range s.ops {
		for _, d := range o.docs {
			list[d.Name] = d
		}
	}
	return list
}

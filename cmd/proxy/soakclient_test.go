package main_test

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// soakOperation holds the fields of an operation that a client reads.
type soakOperation struct {
	ID           int64
	Status       string
	DocumentList []struct {
		SignStatus, SignError, SignErrorCause, SignedContent string
	}
}

// soakAccepted is an accepted operation with the data of its request.
type soakAccepted struct {
	ID        int64
	Documents []shape
	Level     string
}

// client makes the calls of a client, one after the other.
func (s *soak) client(p *soakProxy) {
	for s.sleep(rand.N(100 * time.Millisecond)) {
		switch rand.IntN(12) {
		case 0, 1, 2, 3:
			s.async(p)
		case 4, 5:
			s.sync(p)
		case 6:
			s.deleted(p)
		case 7:
			s.call(p, "unknown reference", http.MethodGet, "operation/status/withExternalReference/none", nil, "", 404)
		case 8:
			s.call(p, "bad JSON", http.MethodPost, "document/sign/base64/", []byte(`{"documents":[`), "", 400, 429, 503)
		case 9:
			noPDF := []shape{{name: "d.pdf", original: []byte("no PDF"), signature: shapes()[0].signature}}
			// 200: the remote side refused us before it looked at the document, and signError says so.
			s.call(p, "no PDF", http.MethodPost, "document/sign/base64/", s.request(s.reference(), "", noPDF), "",
				200, 400, 429, 503)
		case 10:
			s.call(p, "wrong secret", http.MethodGet, "operation/status/1", nil, "wrong", 401)
		case 11:
			s.call(p, "unknown id", http.MethodGet, fmt.Sprint("operation/sign/detail/", 1<<40, "/documents"), nil, "", 404)
		}
	}
}

func (s *soak) reference() string { return fmt.Sprint("soak/", s.serial.Add(1)) }

// request is a SignRequest for the given documents.
func (s *soak) request(reference, level string, list []shape) []byte {
	type object = map[string]any
	documents := make([]object, len(list))
	for i, d := range list {
		info := d.signature
		info.Level = level
		documents[i] = object{
			"documentRequest": object{
				"externalReference": fmt.Sprint(reference, "/", i),
				"name":              d.name,
				"contentType":       cmp.Or(d.contentType, "application/pdf"),
				"base64Content":     d.original,
			},
			"signatureInfo": info,
		}
	}
	body, err := json.Marshal(object{"externalReference": reference, "description": "soak", "documents": documents})
	if err != nil {
		s.fault("%v", err)
	}
	return body
}

func (s *soak) level() string { return []string{"", "", "", "B-T", "B-LT"}[rand.IntN(5)] }

// call makes one call and checks that its status is one of the given ones. ok is false if nobody
// answered or the status was not expected.
func (s *soak) call(
	p *soakProxy, kind, method, path string, body []byte, key string, want ...int,
) (status int, text []byte, ok bool) {
	r, err := http.NewRequestWithContext(s.t.Context(), method, p.current.Load().URL+apiPath+path, bytes.NewReader(body))
	if err != nil {
		s.fault("%v", err)
		return 0, nil, false
	}
	const id = "PRT.1-PRT.2-alice"
	r.SetBasicAuth(id, clients[id])
	switch {
	case key == "wrong":
		r.SetBasicAuth(id, "wrong")
	case key != "":
		r.Header.Set("Idempotency-Key", key)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	started := time.Now()
	resp, err := s.http.Do(r)
	if err == nil {
		text, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	if err != nil {
		if !p.killed {
			s.fault("%s is never killed, but gave no answer to %s after %v: %v", p.name, kind, time.Since(started), err)
		}
		s.count(kind, 0)
		return 0, nil, false
	}
	s.count(kind, resp.StatusCode)
	if !slices.Contains(want, resp.StatusCode) {
		s.fault("%s: %s was answered %d %.300s", p.name, kind, resp.StatusCode, text)
		return resp.StatusCode, text, false
	}
	if (resp.StatusCode == 429 || resp.StatusCode == 503) && resp.Header.Get("Retry-After") == "" {
		s.fault("%s: %s was answered %d without Retry-After", p.name, kind, resp.StatusCode)
	}
	return resp.StatusCode, text, resp.StatusCode < 300
}

func (s *soak) count(kind string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[statusName(kind, status)]++
}

// someShapes returns documents of random shapes.
func someShapes(n int) (list []shape) {
	for range n {
		list = append(list, shapes()[rand.IntN(len(shapes()))])
	}
	return list
}

// async signs some documents. It repeats the request while it gets no answer, and follows the
// operation to its end.
func (s *soak) async(p *soakProxy) {
	reference := s.reference()
	documents, level := someShapes(1+rand.IntN(4)), s.level()
	body := s.request(reference, level, documents)
	for first := int64(0); ; {
		_, text, ok := s.call(p, "async", http.MethodPost, "document/sign/async/base64/", body, reference, 202, 429, 503)
		var op soakOperation
		if ok && s.understood(p, text, &op) {
			if first != 0 && op.ID != first {
				s.fault("%s: %s is operation %d, and was %d", p.name, reference, op.ID, first)
			}
			first = op.ID
			accepted := soakAccepted{op.ID, documents, level}
			p.seen.Store(reference, accepted)
			if rand.IntN(10) > 0 { // sometimes repeat a request although it was answered
				s.follow(p, reference, accepted)
				return
			}
		}
		if !s.sleep(200 * time.Millisecond) {
			return
		}
	}
}

// sync waits for the signed document in the answer.
func (s *soak) sync(p *soakProxy) {
	reference, level, documents := s.reference(), s.level(), someShapes(1)
	_, text, ok := s.call(p, "sync", http.MethodPost, "document/sign/base64/",
		s.request(reference, level, documents), reference, 200, 429, 503)
	var op soakOperation
	if !ok || !s.understood(p, text, &op) {
		return
	}
	accepted := soakAccepted{op.ID, documents, level}
	p.seen.Store(reference, accepted)
	if s.taken(p, op, accepted) {
		p.seen.Delete(reference)
		return
	}
	s.follow(p, reference, accepted)
}

// understood decodes a successful answer, which is JSON.
func (s *soak) understood(p *soakProxy, text []byte, v any) bool {
	if err := json.Unmarshal(text, v); err != nil {
		s.fault("%s: a successful answer is not JSON, %v: %.300s", p.name, err, text)
		return false
	}
	return true
}

// follow waits for the end of an operation and checks its documents. If the test ends before that,
// the operation stays in seen.
func (s *soak) follow(p *soakProxy, reference string, want soakAccepted) bool {
	path := url.PathEscape(reference)
	ended, good := false, true
	for !ended && good {
		ended, good = s.askStatus(p, path, reference, want)
		if !ended && good && !s.sleep(100*time.Millisecond) {
			return false
		}
	}
	for good {
		_, text, ok := s.call(p, "detail", http.MethodGet, "operation/sign/detail/withExternalReference/"+path,
			nil, "", 200, 503)
		if ok {
			var op soakOperation
			if !s.understood(p, text, &op) || !s.taken(p, op, want) {
				s.fault("%s: operation %d (%s) had ended, and its detail says %s", p.name, want.ID, reference, op.Status)
				return false
			}
			p.seen.Delete(reference)
			return true
		}
		good = s.sleep(100 * time.Millisecond)
	}
	return false
}

// askStatus asks for the status of an operation. It returns whether the operation has ended, and
// whether the answer was a correct one.
func (s *soak) askStatus(p *soakProxy, path, reference string, want soakAccepted) (ended, good bool) {
	_, text, ok := s.call(p, "status", http.MethodGet, "operation/status/withExternalReference/"+path+"?wait=5s",
		nil, "", 200, 503)
	if !ok {
		return false, true
	}
	var all []soakOperation
	if !s.understood(p, text, &all) {
		return false, false
	}
	if len(all) != 1 || all[0].ID != want.ID {
		s.fault("%s: operation %d (%s) is %.300s", p.name, want.ID, reference, text)
		return false, false
	}
	return all[0].Status == "EXECUTED" || all[0].Status == "EXECUTION_FAILED", true
}

// taken checks an operation that has ended. It returns false if the operation has not ended.
func (s *soak) taken(p *soakProxy, op soakOperation, want soakAccepted) bool {
	if op.Status != "EXECUTED" && op.Status != "EXECUTION_FAILED" {
		return false
	}
	if op.ID != want.ID || len(op.DocumentList) != len(want.Documents) {
		s.fault("%s: operation %d has %d documents, want %d of operation %d", p.name, op.ID, len(op.DocumentList),
			len(want.Documents), want.ID)
		return true
	}
	for i, d := range op.DocumentList {
		switch {
		case d.SignStatus == "SIGNED":
			content, err := base64.StdEncoding.DecodeString(d.SignedContent)
			if err != nil || len(content) == 0 {
				s.fault("%s: document %d of %d has no content: %v", p.name, i, op.ID, err)
				continue
			}
			s.look(want.Documents[i], content, want.Level)
		case d.SignError == "" || d.SignError == "SIGN_OPERATION_INTERNAL_ERROR":
			s.fault("%s: document %d of %d is %s without a reason: %s %s", p.name, i, op.ID, d.SignStatus, d.SignError,
				d.SignErrorCause)
		default:
			s.count("given up "+d.SignError, 0)
			s.failed.Add(1)
		}
	}
	return true
}

// deleted signs a document and deletes the operation. After that it is not found.
func (s *soak) deleted(p *soakProxy) {
	reference := s.reference()
	_, text, ok := s.call(p, "sync", http.MethodPost, "document/sign/base64/", s.request(reference, "", someShapes(1)),
		reference, 200, 429, 503)
	var op soakOperation
	if !ok || !s.understood(p, text, &op) {
		return
	}
	path := fmt.Sprint("operation/sign/detail/", op.ID)
	if status, _, ok := s.call(p, "delete", http.MethodDelete, path, nil, "", 204, 409, 503); ok && status == 204 {
		s.call(p, "status of a deleted one", http.MethodGet, fmt.Sprint("operation/status/", op.ID), nil, "", 404, 503)
	}
}

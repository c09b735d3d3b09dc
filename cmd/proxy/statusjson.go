package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/client"
	"github.com/signstash-proxy/signstash-proxy/pkg/status"
)

const (
	// statusTimeout bounds the collection of the data of GET /status. It is longer than that of the
	// page, because counting signed documents reads a row for each of them.
	statusTimeout = 10 * time.Second
	// maxSignedSince is how far signedSince may go back. "Today" began at most 26 hours ago in any
	// time zone. Older times would make the instance read all operations that it holds.
	maxSignedSince = 48 * time.Hour
)

// statusJSON answers GET /status: the main data of the status page as JSON, for programs.
func (m *management) statusJSON(w http.ResponseWriter, r *http.Request) {
	since, err := parseSince(r.URL.Query().Get("signedSince"), time.Now())
	if err != nil {
		answer(w, http.StatusBadRequest, err.Error()+"\n")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), statusTimeout)
	defer cancel()
	s := m.snapshot(ctx)
	i := instanceOf(s)
	i.Phase = m.drain.current().String()
	if trouble := m.trouble.Load(); trouble != nil {
		i.StateFault = *trouble
	}
	if !since.IsZero() {
		if i.Signed, err = m.state.store.SignedSince(ctx, since); err != nil {
			m.log.Error(err, "could not count the documents that were signed")
			i.Faults = append(i.Faults, "The signed documents could not be counted; the log says why.")
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(i) // an error means that the client is gone
}

// parseSince reads the parameter signedSince. An empty text is the zero time.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	since, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("signedSince: want a time such as 2026-01-31T00:00:00Z, not %.40q", text)
	}
	if now.Sub(since) > maxSignedSince {
		return time.Time{}, fmt.Errorf("signedSince: want a time of the last %d hours, not %.40q",
			int(maxSignedSince.Hours()), text)
	}
	return since, nil
}

// instanceOf returns the data of the status page as the answer of GET /status.
func instanceOf(s status.Snapshot) client.Instance {
	i := client.Instance{
		Version: s.Version, Instance: s.Instance, Ordinal: s.Ordinal, Endpoint: s.Endpoint, Ready: s.Ready,
		Started: s.Started, QueuedDocuments: s.QueuedDocuments, ActiveOperations: s.ActiveOperations,
		OldestQueuedSeconds: s.OldestQueued.Seconds(), StoredOperations: s.StoredOperations, StoredBytes: s.StoredBytes,
		FreeBytes: s.FreeBytes, ShowsReferences: s.ShowReferences, Faults: s.Faults,
	}
	for _, c := range s.Credentials {
		one := client.InstanceCredential{Name: c.Name, State: c.State(), NotAfter: c.NotAfter}
		if !c.Healthy() {
			one.LastFailure, one.Outcome = c.LastFailure, c.Outcome
		}
		i.Credentials = append(i.Credentials, one)
	}
	for _, op := range s.Recent {
		i.Recent = append(i.Recent, client.InstanceOperation{
			ID: op.ID, ClientService: op.ClientService, Reference: op.Reference, Status: op.Status,
			Documents: op.Documents, EndedDocuments: op.Ended, Created: op.Created, Ended: op.EndedAt,
		})
	}
	return i
}

package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Instance is what an instance says about itself. It is the answer of GET /status on the management
// port, and holds the main data of the status page. It contains no secret and no content.
type Instance struct {
	Version  string `json:"version"`
	Instance string `json:"instance"`
	Ordinal  int    `json:"ordinal"`
	// Endpoint is the host:port at which clients reach the instance. Empty = not known yet.
	Endpoint string `json:"endpoint,omitempty"`
	// Ready is the answer of /readyz: "ready", or why the instance takes no new work.
	Ready string `json:"ready"`
	// Phase is the phase of the stop, as in Drain.
	Phase   string    `json:"phase"`
	Started time.Time `json:"started"`

	QueuedDocuments     int     `json:"queuedDocuments"`
	ActiveOperations    int     `json:"activeOperations"`
	OldestQueuedSeconds float64 `json:"oldestQueuedSeconds"`

	// StateFault says why the state folder accepts nothing. Empty = it is writable and has room.
	StateFault       string `json:"stateFault,omitempty"`
	StoredOperations int64  `json:"storedOperations"`
	StoredBytes      int64  `json:"storedBytes"`
	FreeBytes        int64  `json:"freeBytes"`

	Credentials []InstanceCredential `json:"credentials,omitempty"`
	Recent      []InstanceOperation  `json:"recent,omitempty"` // newest first
	// ShowsReferences says whether Recent has external references.
	ShowsReferences bool     `json:"showsReferences"`
	Faults          []string `json:"faults,omitempty"` // what could not be read for this answer

	// Signed is the number of signed documents by client service, in operations that have ended since
	// the time that was asked for and whose results are still stored. Nil = not asked for, or not
	// readable.
	Signed map[string]int64 `json:"signed,omitempty"`
}

// InstanceCredential is a credential as an instance sees it.
type InstanceCredential struct {
	Name string `json:"name"`
	// State says why the credential cannot be used. Empty = it can be used.
	State       string    `json:"state,omitempty"`
	NotAfter    time.Time `json:"notAfter,omitzero"`    // of the certificate; zero = never read
	LastFailure time.Time `json:"lastFailure,omitzero"` // of a call, if it was the last one; zero otherwise
	Outcome     string    `json:"outcome,omitempty"`    // of the failed call: refused or unknown
}

// InstanceOperation is one of the most recent operations of an instance.
type InstanceOperation struct {
	ID             int64     `json:"id"`
	ClientService  string    `json:"clientService"`
	Reference      string    `json:"reference,omitempty"` // see Instance.ShowsReferences
	Status         string    `json:"status"`
	Documents      int       `json:"documents"`
	EndedDocuments int       `json:"endedDocuments"`
	Created        time.Time `json:"created"`
	Ended          time.Time `json:"ended,omitzero"` // zero = not ended yet
}

// maxInstanceBytes bounds the answer of GET /status. A hundred credentials and operations take
// about 50 kB, and ten thousand client services with long ids another megabyte.
const maxInstanceBytes = 4 << 20

// ReadInstance asks the management port at a URL, such as http://localhost:8081. If signedSince is
// not zero, the answer counts the documents that were signed since then. The instance refuses times
// that are more than two days ago. ReadInstance sends no credentials, because the port has no
// authentication.
func ReadInstance(ctx context.Context, c *http.Client, management string, signedSince time.Time) (Instance, error) {
	var i Instance
	address := strings.TrimRight(management, "/") + "/status"
	if !signedSince.IsZero() {
		address += "?signedSince=" + url.QueryEscape(signedSince.UTC().Format(time.RFC3339))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return i, fmt.Errorf("make request: %w", err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return i, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxInstanceBytes))
	if err != nil {
		return i, fmt.Errorf("read answer: %w", err)
	}
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return i, fmt.Errorf("%s is missing; the release of this proxy is older, or this is no proxy", req.URL.Path)
	case resp.StatusCode != http.StatusOK:
		return i, fmt.Errorf("%s answered %s", req.URL.Path, resp.Status)
	}
	if err := json.Unmarshal(text, &i); err != nil || i.Ready == "" {
		return i, fmt.Errorf("%s did not answer like the management port of a proxy", req.URL.Path)
	}
	return i, nil
}

package bucket

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

// gcsScope allows reading and writing of objects.
const gcsScope = "https://www.googleapis.com/auth/devstorage.read_write"

// openGCS makes a client for one bucket.
func (s *Stores) openGCS(bucket string) (store, error) {
	tokens := &googleTokens{client: &http.Client{Transport: s.http}, file: s.cfg.CredentialsFile}
	endpoint := strings.TrimSuffix(cmp.Or(s.cfg.Endpoint, "https://storage.googleapis.com"), "/")
	return &gcsStore{
		rest:     rest{client: s.http, bucket: bucket, patience: s.patience, buffers: s.buffers, authorize: tokens.authorize},
		endpoint: endpoint,
	}, nil
}

// googleTokens gets tokens from a credentials file or from the environment: the file that
// GOOGLE_APPLICATION_CREDENTIALS names, or the metadata service (Workload Identity on GKE).
type googleTokens struct {
	client *http.Client
	file   string

	mu     sync.Mutex
	source oauth2.TokenSource
}

// authorize adds a token to a request. The first call finds the credentials.
func (g *googleTokens) authorize(r *http.Request) error {
	source, err := g.find(r.Context())
	if err != nil {
		detail := "the environment names none"
		if g.file != "" {
			detail = err.Error()
		}
		return &fault{kind: errCredentials, detail: detail, cause: err}
	}
	token, err := source.Token()
	if err != nil {
		return tokenFault(err)
	}
	token.SetAuthHeader(r)
	return nil
}

func (g *googleTokens) find(ctx context.Context) (oauth2.TokenSource, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.source != nil {
		return g.source, nil
	}
	ctx = context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, g.client)
	var found *google.Credentials
	var err error
	if g.file == "" {
		found, err = google.FindDefaultCredentials(ctx, gcsScope)
	} else {
		found, err = googleFile(ctx, g.file)
	}
	if err != nil {
		return nil, err
	}
	g.source = found.TokenSource
	return g.source, nil
}

// typeOf returns the type that a credentials file names, if it is one that we accept: the key of a
// service account, or a workload identity. Other types ask a person, or run a program.
func typeOf(data []byte) google.CredentialsType {
	var file struct {
		Type google.CredentialsType `json:"type"`
	}
	_ = json.Unmarshal(data, &file)
	if file.Type == google.ExternalAccount {
		return google.ExternalAccount
	}
	return google.ServiceAccount
}

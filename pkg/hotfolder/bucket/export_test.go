package bucket

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
)

// Impatient shortens all time limits, for tests with a store that does not answer.
func (s *Stores) Impatient() {
	s.patience = patience{attempts: 2, small: 200 * time.Millisecond, data: 200 * time.Millisecond,
		copying: 200 * time.Millisecond, backoff: pace.Backoff{First: time.Millisecond}}
}

// Hasty makes the pauses between attempts short.
func (s *Stores) Hasty() {
	s.patience.backoff = pace.Backoff{First: time.Millisecond, Max: time.Millisecond}
}

// Later lets a folder believe that time has passed.
func (f *Folder) Later(d time.Duration) {
	f.claims.shared.now = func() time.Time { return time.Now().Add(d) }
}

// Conditional reports whether the store supports conditional writes.
func (f *Folder) Conditional(ctx context.Context) error {
	return f.claims.able.conditional(ctx, f.claims.shared)
}

// PutObject, RemoveObject and Objects do what producers and consumers do.
func (s *Stores) PutObject(ctx context.Context, kind Kind, bucket, key, content string) error {
	opened, err := s.open(Place{Kind: kind, Bucket: bucket})
	if err != nil {
		return err
	}
	_, err = opened.upload(ctx, object{key: key}, strings.NewReader(content))
	return err
}

func (s *Stores) RemoveObject(ctx context.Context, kind Kind, bucket, key string) error {
	opened, err := s.open(Place{Kind: kind, Bucket: bucket})
	if err != nil {
		return err
	}
	return opened.remove(ctx, object{key: key})
}

func (s *Stores) Objects(ctx context.Context, kind Kind, bucket, prefix string) (map[string]string, error) {
	opened, err := s.open(Place{Kind: kind, Bucket: bucket})
	if err != nil {
		return nil, err
	}
	found := make(map[string]string)
	for o, err := range (&shared{store: opened}).objects(ctx, prefix, false) {
		if err != nil {
			return nil, err
		}
		content := make([]byte, o.size)
		if err := opened.read(ctx, o, content, 0); err != nil {
			return nil, err
		}
		found[o.key] = string(content)
	}
	return found, nil
}

// CreateContainer creates a container of Azure.
func (s *Stores) CreateContainer(ctx context.Context, name string) error {
	opened, err := s.open(Place{Kind: Azure, Bucket: name})
	if err != nil {
		return err
	}
	a := opened.(*azureStore)
	return a.send(
		ctx,
		request{op: "create container", method: http.MethodPut, url: a.container + "?restype=container"},
		nil,
	)
}

package main

import (
	"context"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// documentLimit is a store that refuses documents of more than max bytes while they arrive.
type documentLimit struct {
	signing.Store
	max int64
}

// NewUpload implements signing.Spool.
func (s documentLimit) NewUpload(ctx context.Context) (signing.Upload, error) {
	up, err := s.Store.NewUpload(ctx)
	if err != nil {
		return nil, err
	}
	return limitedUpload{up, s.max}, nil
}

// Create implements signing.Records: the store wants its own upload back.
func (s documentLimit) Create(ctx context.Context, up signing.Upload, op signing.NewOperation) (signing.Operation, error) {
	if limited, ok := up.(limitedUpload); ok {
		up = limited.Upload
	}
	return s.Store.Create(ctx, up, op)
}

type limitedUpload struct {
	signing.Upload
	max int64
}

// Add implements signing.Upload.
func (u limitedUpload) Add(r io.Reader) (signing.Content, error) {
	return u.Upload.Add(&limitedReader{r: r, left: u.max, max: u.max})
}

// limitedReader fails with KindTooLarge at the first byte beyond the limit, where io.LimitReader would end.
type limitedReader struct {
	r         io.Reader
	left, max int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if int64(n) > l.left {
		return int(l.left), signing.Errorf(signing.KindTooLarge, "a document is larger than %d bytes", l.max)
	}
	l.left -= int64(n)
	return n, err
}

package limits

import (
	"cmp"
	"errors"
	"fmt"
)

// Settings bound what clients may ask of one instance. The comment of each field says what zero
// means.
type Settings struct {
	// MaxBodyBytes bounds a request's body, as sent. 0 = 2 GiB: the largest documented request, 25 x
	// 20 MB, is 667 MB in base64.
	MaxBodyBytes int64
	// MaxDocumentBytes bounds a document's content, decoded. 0 = 1 GiB.
	MaxDocumentBytes int64
	// MaxDocuments bounds the documents of one request. 0 = 10,000: four times the largest documented
	// number.
	MaxDocuments int
	// MaxMetadataBytes bounds the text of a request without the content of documents and images. That
	// text is held in memory. 0 = 16 MiB.
	MaxMetadataBytes int64
	// MaxTextBytes bounds such text of all requests that are being read, together. The requests of one
	// client service may hold half of it. 0 = 64 MiB. A request that would exceed it is answered 503.
	MaxTextBytes int64
	// MaxImageBytes bounds the image of a visible signature, decoded. 0 = 4 MiB, the largest image
	// that can be drawn.
	MaxImageBytes int64
	// MaxUploads bounds the request bodies that are read at the same time. 0 = 256. A further request
	// is answered 429.
	MaxUploads int
	// ClientUploads bounds the bodies of one client service. 0 = half of MaxUploads, so that no client
	// service takes all places.
	ClientUploads int
	// MaxDownloads bounds the answers with documents that are sent at the same time. Half of them may
	// belong to one client service. 0 = 128, because each takes about 100 KB of memory. A further
	// request is answered 429.
	MaxDownloads int
	// MaxWaiting bounds the sync requests. Each waits for its result and takes a goroutine and a
	// connection, about 30 KB. Half of them may belong to one client service. 0 = 2000. A further
	// request is answered 503 before its body is read.
	MaxWaiting int
	// MaxPolls bounds the status calls that wait. Half of them may belong to one client service.
	// 0 = 1000. A further call is answered at once, as if it had not asked to wait.
	MaxPolls int
	// ClientRate bounds the requests per second of one client service. After a pause, twice as many
	// may come at once. Further requests are answered 429 before their bodies are read. 0 = no bound.
	ClientRate int
	// ClientFailures bounds how many different wrong secrets of one client service one address may
	// send per second; after a pause, ten times as many. Beyond the bound every request of that
	// address for that client service is answered 429, even with the right secret. 0 = no bound.
	ClientFailures int
}

// WithDefaults returns s with the defaults in place of the zeros that stand for one.
func (s Settings) WithDefaults() Settings {
	s.MaxBodyBytes = cmp.Or(s.MaxBodyBytes, 2<<30)
	s.MaxDocumentBytes = cmp.Or(s.MaxDocumentBytes, 1<<30)
	s.MaxDocuments = cmp.Or(s.MaxDocuments, 10_000)
	s.MaxMetadataBytes = cmp.Or(s.MaxMetadataBytes, 16<<20)
	s.MaxTextBytes = cmp.Or(s.MaxTextBytes, 64<<20)
	s.MaxImageBytes = cmp.Or(s.MaxImageBytes, 4<<20)
	s.MaxUploads = cmp.Or(s.MaxUploads, 256)
	s.ClientUploads = cmp.Or(s.ClientUploads, max(s.MaxUploads/2, 1))
	s.MaxDownloads = cmp.Or(s.MaxDownloads, 128)
	s.MaxWaiting = cmp.Or(s.MaxWaiting, 2000)
	s.MaxPolls = cmp.Or(s.MaxPolls, 1000)
	return s
}

// Validate returns all mistakes, joined.
func (s Settings) Validate() error {
	var bad []error
	for _, v := range []struct {
		name  string
		value int64
	}{
		{"MaxBodyBytes", s.MaxBodyBytes},
		{"MaxDocumentBytes", s.MaxDocumentBytes},
		{"MaxDocuments", int64(s.MaxDocuments)},
		{"MaxMetadataBytes", s.MaxMetadataBytes},
		{"MaxTextBytes", s.MaxTextBytes},
		{"MaxImageBytes", s.MaxImageBytes},
		{"MaxUploads", int64(s.MaxUploads)},
		{"ClientUploads", int64(s.ClientUploads)},
		{"MaxDownloads", int64(s.MaxDownloads)},
		{"MaxWaiting", int64(s.MaxWaiting)},
		{"MaxPolls", int64(s.MaxPolls)},
		{"ClientRate", int64(s.ClientRate)},
		{"ClientFailures", int64(s.ClientFailures)},
	} {
		if v.value < 0 {
			bad = append(bad, fmt.Errorf("%s is negative", v.name))
		}
	}
	return errors.Join(bad...)
}

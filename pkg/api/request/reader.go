package request

import (
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/jsonstream"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// KindMediaType is the kind of fault of a body whose type, charset or encoding is not accepted.
const KindMediaType signing.Kind = "media-type"

// Limits bound what a request may hold. All of them must be set.
type Limits struct {
	Documents     int   // documents of one request
	DocumentBytes int64 // content of one document, decoded
	ImageBytes    int64 // image of one visible signature, decoded
	MetadataBytes int64 // everything beside the content of documents and images
}

// Reader reads one SignRequest and hands the content of its documents to Upload while it arrives.
// Its errors are *signing.Error: KindMissing, KindMalformed, KindInvalid, KindTooLarge or
// KindMediaType, or the error of the body, of Upload or of Hold. It is not safe for concurrent use.
type Reader struct {
	Upload signing.Upload
	Limits Limits
	Hold   func(bytes int) error // is called for text that stays in memory; its error ends the reading
}

// The name of a document's content, in the words of the client.
const (
	base64Key = "documents[%d].documentRequest.base64Content"
	filesKey  = "files[%d]"
)

// ReadJSON reads the body of the base64 calls, whose documents are in the request itself. With an
// error, the result may still hold what was read before it.
func (r *Reader) ReadJSON(body io.Reader, contentType string) (*Received, error) {
	return r.readSignRequest(body, contentType, base64Key)
}

// readSignRequest reads a SignRequest in the charset that its Content-Type declares.
func (r *Reader) readSignRequest(text io.Reader, contentType, contentKey string) (*Received, error) {
	decoded, err := asUTF8(text, contentType)
	if err != nil {
		return nil, err
	}
	q := &fieldReader{
		Reader:  r,
		s:       jsonstream.NewScanner(decoded, jsonstream.Limits{TextBytes: r.Limits.MetadataBytes}),
		inline:  contentKey == base64Key,
		request: &Received{contentKey: contentKey},
	}
	return q.read()
}

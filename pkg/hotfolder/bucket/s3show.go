package bucket

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// copyBytes is the size of one part that the store copies. S3 allows 5 GiB. Smaller parts keep each
// request within the time limit. 10,000 of them are 4.8 TiB.
const copyBytes = 512 << 20

// maxCopyBytes is the largest object that S3 copies with one request.
const maxCopyBytes = 5 << 30

// copy uses one request where S3 allows it, and else a multipart upload.
func (s *s3Store) copy(ctx context.Context, key string, from object, meta map[string]string) error {
	if from.size <= maxCopyBytes {
		in := &s3.CopyObjectInput{Bucket: &s.bucket, Key: &key, CopySource: aws.String(copySource(s.bucket, from.key)),
			CopySourceIfMatch: &from.version, MetadataDirective: types.MetadataDirectiveReplace,
			ContentType: textOrNil(from.kind), Metadata: meta}
		return s.do(ctx, s.patience.copying, "copy object", func(ctx context.Context) error {
			_, err := s.client.CopyObject(ctx, in)
			return err
		})
	}
	u, err := s.begin(ctx, key, from.kind, meta)
	if err != nil {
		return err
	}
	if err = u.copyAll(ctx, from); err == nil {
		_, err = u.complete(ctx, u.id, u.etags, false)
	}
	if err != nil {
		s.abort(ctx, key, u.id)
	}
	return err
}

// emptyUpload is the ticket of a copy of an empty object, because an upload needs a part with
// content. show writes such a copy with one conditional request.
const emptyUpload = "empty"

// prepare begins a multipart upload and lets the store copy the original into its parts. Nobody
// sees an upload that is not complete.
func (s *s3Store) prepare(ctx context.Context, key string, from object, meta map[string]string) (ticket, error) {
	if from.size == 0 {
		t := ticket{Upload: emptyUpload, Kind: from.kind, Meta: map[string]string{emptyID: nonce()}}
		maps.Copy(t.Meta, meta)
		return t, nil
	}
	u, err := s.begin(ctx, key, from.kind, meta)
	if err != nil {
		return ticket{}, err
	}
	if err := u.copyAll(ctx, from); err != nil {
		s.abort(ctx, key, u.id)
		return ticket{}, err
	}
	return ticket{Upload: u.id, Parts: u.etags}, nil
}

// copyAll copies all parts on the side of the store if it can, and else by reading and writing.
func (u *s3Upload) copyAll(ctx context.Context, from object) error {
	for offset := int64(0); offset < from.size && !u.withoutPartCopy.Load(); offset += copyBytes {
		err := u.copyPart(ctx, from, offset, min(copyBytes, from.size-offset))
		switch {
		case errors.Is(err, errLacking) && offset == 0:
			u.withoutPartCopy.Store(true)
		case err != nil:
			return err
		}
	}
	if u.withoutPartCopy.Load() && len(u.etags) == 0 {
		return u.carry(ctx, from)
	}
	return nil
}

// copyPart lets the store copy a range of from into the next part.
func (u *s3Upload) copyPart(ctx context.Context, from object, offset, size int64) error {
	const op = "copy part"
	in := &s3.UploadPartCopyInput{
		Bucket:            &u.bucket,
		Key:               &u.key,
		UploadId:          &u.id,
		PartNumber:        aws.Int32(int32(len(u.etags) + 1)),
		CopySource:        aws.String(copySource(u.bucket, from.key)),
		CopySourceIfMatch: &from.version,
	}
	if size < from.size { // a range of a small object is refused
		in.CopySourceRange = aws.String(byteRange(offset, int(size)))
	}
	var out *s3.UploadPartCopyOutput
	err := u.do(ctx, u.patience.copying, op, func(ctx context.Context) (err error) {
		out, err = u.client.UploadPartCopy(ctx, in)
		return err
	})
	if err != nil {
		return err
	}
	if out.CopyPartResult == nil || etag(out.CopyPartResult.ETag) == "" {
		return newFault(errLacking, op, u.bucket, "the answer has no entity tag", nil)
	}
	u.etags = append(u.etags, etag(out.CopyPartResult.ETag))
	return nil
}

// carry copies from by reading and writing one part after the other.
func (u *s3Upload) carry(ctx context.Context, from object) error {
	buffer, err := u.buffers.take(ctx)
	if err != nil {
		return err
	}
	defer u.buffers.give(buffer)
	for offset := int64(0); offset < from.size; offset += partBytes {
		part := buffer[:min(partBytes, from.size-offset)]
		if err := u.read(ctx, from, part, offset); err != nil {
			return err
		}
		if err := u.part(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// show completes the upload of a ticket. The store forgets an upload that is complete.
func (s *s3Store) show(ctx context.Context, key string, t ticket) error {
	if t.Upload == emptyUpload {
		return s.showEmpty(ctx, key, t)
	}
	// A store that ignores the condition of the request replaces what it has. So look first, which
	// makes the time in which an object can be replaced as short as possible.
	_, err := s.head(ctx, key)
	taken := err == nil
	if err != nil && !errors.Is(err, errNotFound) {
		return err
	}
	if !taken {
		u := &s3Upload{s3Store: s, key: key}
		_, err = u.complete(ctx, t.Upload, t.Parts, true)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errNotFound):
			if _, err = s.head(ctx, key); errors.Is(err, errNotFound) {
				return newFault(errVanished, "complete upload", s.bucket, "", nil)
			}
			return err // nil: an attempt whose answer was lost has completed it
		case !errors.Is(err, errCondition):
			return err
		}
	}
	// The key exists. It is our object if its upload is complete.
	pending, err := s.pending(ctx, key, t.Upload)
	if err == nil && pending {
		return newFault(errCondition, "complete upload", s.bucket, "", nil)
	}
	return err
}

// emptyID is the key of the metadata by which show recognizes an empty copy that it has shown.
const emptyID = "signstashempty"

func (s *s3Store) showEmpty(ctx context.Context, key string, t ticket) error {
	in := &s3.PutObjectInput{Bucket: &s.bucket, Key: &key, ContentType: textOrNil(t.Kind), Metadata: t.Meta,
		IfNoneMatch: aws.String("*")}
	_, err := s.putObject(ctx, in, nil)
	if isKind(err, errCondition) {
		if now, headErr := s.head(ctx, key); headErr == nil && now.meta[emptyID] == t.Meta[emptyID] {
			return nil
		}
	}
	return err
}

func (s *s3Store) abandon(ctx context.Context, key string, t ticket) {
	if t.Upload != emptyUpload {
		s.abort(ctx, key, t.Upload)
	}
}

func byteRange(offset int64, size int) string {
	return fmt.Sprintf("bytes=%d-%d", offset, offset+int64(size)-1)
}

// copySource returns the name of an object for the header x-amz-copy-source.
func copySource(bucket, key string) string {
	segments := strings.Split(key, "/")
	for i, segment := range segments {
		segments[i] = strings.ReplaceAll(url.QueryEscape(segment), "+", "%20")
	}
	return bucket + "/" + strings.Join(segments, "/")
}

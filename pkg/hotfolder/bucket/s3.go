package bucket

import (
	"bytes"
	"context"
	"io"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// s3Store is a bucket of Amazon S3 or of a store with its interface.
//
// It uses the SDK without its retries, because patience treats all kinds of stores alike.
type s3Store struct {
	client   *s3.Client
	bucket   string
	patience patience
	buffers  buffers
	// withoutPartCopy is set when the store has refused to copy on its side. Copies are then made by
	// reading and writing.
	withoutPartCopy atomic.Bool
}

func (s *s3Store) name() string { return s.bucket }

// do makes a call and turns its error into a fault.
func (s *s3Store) do(ctx context.Context, limit time.Duration, op string, attempt func(context.Context) error) error {
	return s.patience.call(ctx, limit, func(ctx context.Context) error {
		return s.fault(op, attempt(ctx))
	})
}

func (s *s3Store) list(ctx context.Context, prefix string, flat bool, token string) (page, error) {
	in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix, EncodingType: types.EncodingTypeUrl}
	if flat {
		in.Delimiter = aws.String("/")
	}
	if token != "" {
		in.ContinuationToken = &token
	}
	var out *s3.ListObjectsV2Output
	err := s.do(ctx, s.patience.small, "list objects", func(ctx context.Context) (err error) {
		out, err = s.client.ListObjectsV2(ctx, in)
		return err
	})
	if err != nil {
		return page{}, err
	}
	return listed(out), nil
}

// listed reads a page. Keys are URL-encoded if the store says so, because XML cannot hold all of
// their characters.
func listed(out *s3.ListObjectsV2Output) page {
	decode := func(key *string) string {
		if out.EncodingType == types.EncodingTypeUrl {
			if plain, err := url.QueryUnescape(aws.ToString(key)); err == nil {
				return plain
			}
		}
		return aws.ToString(key)
	}
	var p page
	if aws.ToBool(out.IsTruncated) {
		p.next = aws.ToString(out.NextContinuationToken)
	}
	if now, ok := middleware.GetServerTime(out.ResultMetadata); ok {
		p.now = now
	}
	for _, o := range out.Contents {
		p.objects = append(p.objects, object{key: decode(o.Key), size: aws.ToInt64(o.Size),
			modified: aws.ToTime(o.LastModified).Truncate(time.Second), version: etag(o.ETag)})
	}
	for _, f := range out.CommonPrefixes {
		p.objects = append(p.objects, object{key: decode(f.Prefix), folder: true})
	}
	return p
}

// etag returns an entity tag in quotes, because some stores omit them in some answers.
func etag(tag *string) string {
	plain := strings.Trim(aws.ToString(tag), `"`)
	if plain == "" {
		return ""
	}
	return `"` + plain + `"`
}

func (s *s3Store) head(ctx context.Context, key string) (object, error) {
	var out *s3.HeadObjectOutput
	err := s.do(ctx, s.patience.small, "look up object", func(ctx context.Context) (err error) {
		out, err = s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key})
		return err
	})
	if err != nil {
		return object{}, err
	}
	return object{
		key:     key,
		size:    aws.ToInt64(out.ContentLength),
		version: etag(out.ETag),
		modified: aws.ToTime(
			out.LastModified,
		).Truncate(
			time.Second,
		),
		kind: aws.ToString(out.ContentType),
		meta: out.Metadata,
	}, nil
}

func (s *s3Store) read(ctx context.Context, o object, p []byte, offset int64) error {
	if len(p) == 0 {
		return nil
	}
	in := &s3.GetObjectInput{
		Bucket:  &s.bucket,
		Key:     &o.key,
		IfMatch: &o.version,
		Range:   aws.String(byteRange(offset, len(p))),
	}
	const op = "read object"
	return s.do(ctx, s.patience.data, op, func(ctx context.Context) error {
		out, err := s.client.GetObject(ctx, in)
		if err != nil {
			return err
		}
		defer func() { _ = out.Body.Close() }()
		if etag(out.ETag) != o.version { // the store ignores If-Match
			return newFault(errCondition, op, s.bucket, "", nil)
		}
		if _, err := io.ReadFull(out.Body, p); err != nil {
			return newFault(errTransient, op, s.bucket, "", err)
		}
		return nil
	})
}

func (s *s3Store) get(ctx context.Context, key string) (body []byte, o object, err error) {
	const op = "read record"
	err = s.do(ctx, s.patience.small, op, func(ctx context.Context) error {
		out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key})
		if err != nil {
			return err
		}
		defer func() { _ = out.Body.Close() }()
		body, err = io.ReadAll(io.LimitReader(out.Body, smallBytes+1))
		if err != nil {
			return newFault(errTransient, op, s.bucket, "", err)
		}
		if len(body) > smallBytes {
			return newFault(errOther, op, s.bucket, "the record is too large", nil)
		}
		o = object{
			key:      key,
			size:     int64(len(body)),
			version:  etag(out.ETag),
			modified: aws.ToTime(out.LastModified),
			meta:     out.Metadata,
		}
		return nil
	})
	return body, o, err
}

func (s *s3Store) put(ctx context.Context, key string, body []byte, when when) (object, error) {
	in := &s3.PutObjectInput{Bucket: &s.bucket, Key: &key}
	if when.absent {
		in.IfNoneMatch = aws.String("*")
	}
	if when.version != "" {
		in.IfMatch = &when.version
	}
	return s.putObject(ctx, in, body)
}

func (s *s3Store) putObject(ctx context.Context, in *s3.PutObjectInput, body []byte) (object, error) {
	var out *s3.PutObjectOutput
	err := s.do(ctx, s.patience.data, "write object", func(ctx context.Context) (err error) {
		in.Body = bytes.NewReader(body)
		out, err = s.client.PutObject(ctx, in)
		return err
	})
	if err != nil {
		return object{}, err
	}
	return object{key: *in.Key, size: int64(len(body)), version: etag(out.ETag)}, nil
}

func (s *s3Store) remove(ctx context.Context, o object) error {
	if o.version == "" {
		return s.deleteObject(ctx, o.key, nil)
	}
	// A store that ignores the condition deletes what it has. So look first, which makes the time in
	// which a new object can be lost as short as possible.
	if gone, err := s.unchanged(ctx, o); gone || err != nil {
		return err
	}
	err := s.deleteObject(ctx, o.key, &o.version)
	if isKind(err, errLacking) {
		return s.deleteObject(ctx, o.key, nil)
	}
	if isKind(err, errCondition) { // an attempt may have succeeded whose answer was lost
		if gone, _ := s.unchanged(ctx, o); gone {
			return nil
		}
	}
	return err
}

// unchanged returns errCondition if an object has another version. gone means that it does not
// exist.
func (s *s3Store) unchanged(ctx context.Context, o object) (gone bool, err error) {
	now, err := s.head(ctx, o.key)
	switch {
	case isKind(err, errNotFound):
		return true, nil
	case err == nil && now.version != o.version:
		return false, newFault(errCondition, "delete object", s.bucket, "", nil)
	}
	return false, err
}

func (s *s3Store) deleteObject(ctx context.Context, key string, version *string) error {
	err := s.do(ctx, s.patience.small, "delete object", func(ctx context.Context) error {
		_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key, IfMatch: version})
		return err
	})
	if isKind(err, errNotFound) {
		return nil
	}
	return err
}

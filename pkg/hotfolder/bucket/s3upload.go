package bucket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// abortTime bounds the removal of an upload that has failed. The context of the upload may have
// ended before. What cannot be removed is left to the bucket's lifecycle rule.
const abortTime = 10 * time.Second

func (s *s3Store) upload(ctx context.Context, to object, content io.Reader) (object, error) {
	part, err := s.buffers.take(ctx)
	if err != nil {
		return object{}, err
	}
	defer s.buffers.give(part)
	n, err := io.ReadFull(content, part)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		in := &s3.PutObjectInput{Bucket: &s.bucket, Key: &to.key, ContentType: textOrNil(to.kind), Metadata: to.meta}
		return s.putObject(ctx, in, part[:n])
	}
	if err != nil {
		return object{}, err
	}
	u, err := s.begin(ctx, to.key, to.kind, to.meta)
	if err != nil {
		return object{}, err
	}
	o, err := u.stream(ctx, part, content)
	if err != nil {
		s.abort(ctx, to.key, u.id)
	}
	return o, err
}

func textOrNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// s3Upload is a multipart upload.
type s3Upload struct {
	*s3Store
	key, id string
	etags   []string // of the parts, in order
}

// begin starts a multipart upload.
func (s *s3Store) begin(ctx context.Context, key, kind string, meta map[string]string) (*s3Upload, error) {
	in := &s3.CreateMultipartUploadInput{Bucket: &s.bucket, Key: &key, ContentType: textOrNil(kind), Metadata: meta}
	var out *s3.CreateMultipartUploadOutput
	err := s.do(ctx, s.patience.small, "begin upload", func(ctx context.Context) (err error) {
		out, err = s.client.CreateMultipartUpload(ctx, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &s3Upload{s3Store: s, key: key, id: aws.ToString(out.UploadId)}, nil
}

// stream writes part, which is full, and then the rest of content, and completes the upload.
func (u *s3Upload) stream(ctx context.Context, part []byte, content io.Reader) (object, error) {
	size := int64(0)
	for n := len(part); n > 0; {
		if err := u.part(ctx, part[:n]); err != nil {
			return object{}, err
		}
		size += int64(n)
		var err error
		if n, err = io.ReadFull(content, part); err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return object{}, err
		}
	}
	tag, err := u.complete(ctx, u.id, u.etags, false)
	return object{key: u.key, size: size, version: tag}, err
}

// part writes the next part.
func (u *s3Upload) part(ctx context.Context, content []byte) error {
	in := &s3.UploadPartInput{
		Bucket:     &u.bucket,
		Key:        &u.key,
		UploadId:   &u.id,
		PartNumber: aws.Int32(int32(len(u.etags) + 1)),
	}
	var out *s3.UploadPartOutput
	err := u.do(ctx, u.patience.data, "write part", func(ctx context.Context) (err error) {
		in.Body = bytes.NewReader(content)
		out, err = u.client.UploadPart(ctx, in)
		return err
	})
	if err == nil {
		u.etags = append(u.etags, etag(out.ETag))
	}
	return err
}

// complete makes an upload visible. absent asks the store to refuse if the key exists.
func (u *s3Upload) complete(ctx context.Context, id string, etags []string, absent bool) (string, error) {
	in := &s3.CompleteMultipartUploadInput{Bucket: &u.bucket, Key: &u.key, UploadId: &id,
		MultipartUpload: &types.CompletedMultipartUpload{}}
	for i, tag := range etags {
		in.MultipartUpload.Parts = append(in.MultipartUpload.Parts,
			types.CompletedPart{ETag: aws.String(tag), PartNumber: aws.Int32(int32(i + 1))})
	}
	if absent {
		in.IfNoneMatch = aws.String("*")
	}
	var out *s3.CompleteMultipartUploadOutput
	err := u.do(ctx, u.patience.copying, "complete upload", func(ctx context.Context) (err error) {
		out, err = u.client.CompleteMultipartUpload(ctx, in)
		return err
	})
	if err != nil {
		return "", err
	}
	return etag(out.ETag), nil
}

// abort removes an upload that is not complete.
func (s *s3Store) abort(ctx context.Context, key, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	_, _ = s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: &key, UploadId: &id})
}

// pending reports whether an upload exists and is not complete.
func (s *s3Store) pending(ctx context.Context, key, id string) (bool, error) {
	err := s.do(ctx, s.patience.small, "look up upload", func(ctx context.Context) error {
		_, err := s.client.ListParts(
			ctx,
			&s3.ListPartsInput{Bucket: &s.bucket, Key: &key, UploadId: &id, MaxParts: aws.Int32(1)},
		)
		return err
	})
	if errors.Is(err, errNotFound) {
		return false, nil
	}
	return err == nil, err
}

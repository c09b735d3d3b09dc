package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// TestKillHotBucket kills instances that share one bucket, see hotKillRuns.
func TestKillHotBucket(t *testing.T) {
	t.Parallel()
	hotKillRuns(t, 700*time.Millisecond, func(t *testing.T, remote *remoteSide) hotPlace {
		b := newHotBucket(t)
		b.start(remote)
		return b
	})
}

// hotBucket is a bucket with the folders in, out and backup, as producers and consumers see it.
type hotBucket struct {
	*testing.T
	client      *s3.Client
	endpoint    string
	credentials string // file
	pair        [2]*testProxy
}

// hotBucketName is the name of the bucket.
const hotBucketName = "invoices"

func newHotBucket(t *testing.T) *hotBucket {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket(hotBucketName); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "credentials")
	write(t, file, []byte("[default]\naws_access_key_id = test\naws_secret_access_key = test\n"))
	return &hotBucket{T: t, endpoint: server.URL, credentials: file, client: s3.New(s3.Options{
		BaseEndpoint: &server.URL, Region: "us-east-1", UsePathStyle: true,
		Credentials:                credentials.NewStaticCredentialsProvider("test", "test", ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired})}
}

func (b *hotBucket) instances() [2]*testProxy { return b.pair }

func (b *hotBucket) backedUp(ctx context.Context) int { return len(b.keys(ctx, "backup/")) }

// start starts two proxies on the bucket.
func (b *hotBucket) start(remote *remoteSide) {
	root := "s3://" + hotBucketName + "/"
	config, err := json.Marshal(map[string]any{"PRT.1-PRT.2-alice": map[string]string{
		"secret": clients["PRT.1-PRT.2-alice"], "inputFolder": root + "in", "outputFolder": root + "out",
		"backupFolder": root + "backup"}})
	if err != nil {
		b.Fatal(err)
	}
	for i := range b.pair {
		flags := append(remote.flags(), "--signing.retry.backoff=50ms", "--signing.tries=100", "--hot.folder.enabled",
			"--hot.folder.trigger=immediate", fmt.Sprintf("--instance.ordinal=%d", i), "--hot.folder.storage.path-style",
			"--hot.folder.storage.endpoint="+b.endpoint, "--hot.folder.storage.credentials-file="+b.credentials)
		b.pair[i] = newTestProxy(b.T, flags...)
		write(b.T, filepath.Join(b.pair[i].o.Work, "client-services-config.json"), config)
		b.pair[i].start(b.T)
	}
}

func (b *hotBucket) put(name, content string) {
	_, err := b.client.PutObject(b.Context(), &s3.PutObjectInput{Bucket: aws.String(hotBucketName),
		Key: aws.String("in/" + name), Body: bytes.NewReader([]byte(content))})
	if err != nil {
		b.Error(err)
	}
}

// keys lists a folder.
func (b *hotBucket) keys(ctx context.Context, folder string) (keys []string) {
	out, err := b.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket: aws.String(hotBucketName), Prefix: aws.String(folder)})
	if err != nil {
		if ctx.Err() == nil {
			b.Error(err)
		}
		return nil
	}
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	return keys
}

// take reads an output and removes it, as a consumer does.
func (b *hotBucket) take(key string) (string, error) {
	ctx := context.WithoutCancel(b.Context())
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(hotBucketName), Key: &key})
	if err != nil {
		return "", err
	}
	content, err := io.ReadAll(out.Body)
	_, removed := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(hotBucketName), Key: &key})
	return string(content), errors.Join(err, out.Body.Close(), removed)
}

func (b *hotBucket) consume(ctx context.Context, c *consumer) {
	for ctx.Err() == nil {
		for _, key := range b.keys(ctx, "out/") {
			content, err := b.take(key)
			if err != nil {
				b.Error(err)
			}
			c.took(key, content)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

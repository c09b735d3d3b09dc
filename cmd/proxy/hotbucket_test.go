package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
)

// TestKillHotBucket kills two instances that share one bucket at random moments, while files arrive
// and a consumer takes each output at once. No file may be lost, delivered twice or seen in part,
// and each signature that was made is delivered or counted as unknown.
func TestKillHotBucket(t *testing.T) {
	t.Parallel()
	multisign := []service.Credential{{Multisign: 8}}
	remote := newRemoteSide(t, service.Options{Latency: 5 * time.Millisecond, Credentials: multisign})
	for run := range hotKills.count(t) {
		if !t.Run(fmt.Sprint(run), func(t *testing.T) { killHotBucket(t, remote) }) {
			return
		}
	}
}

// hotBucket is a bucket with the folders in, out and backup, as producers and consumers see it.
type hotBucket struct {
	*testing.T
	client      *s3.Client
	endpoint    string
	credentials string // file
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

// instances starts two proxies on the bucket.
func (b *hotBucket) instances(remote *remoteSide) [2]*testProxy {
	root := "s3://" + hotBucketName + "/"
	config, err := json.Marshal(map[string]any{"PRT.1-PRT.2-alice": map[string]string{
		"secret": clients["PRT.1-PRT.2-alice"], "inputFolder": root + "in", "outputFolder": root + "out",
		"backupFolder": root + "backup"}})
	if err != nil {
		b.Fatal(err)
	}
	var pair [2]*testProxy
	for i := range pair {
		flags := append(remote.flags(), "--signing.retry.backoff=50ms", "--signing.tries=100", "--hot.folder.enabled",
			"--hot.folder.trigger=immediate", fmt.Sprintf("--instance.ordinal=%d", i), "--hot.folder.storage.path-style",
			"--hot.folder.storage.endpoint="+b.endpoint, "--hot.folder.storage.credentials-file="+b.credentials)
		pair[i] = newTestProxy(b.T, flags...)
		write(b.T, filepath.Join(pair[i].o.Work, "client-services-config.json"), config)
		pair[i].start(b.T)
	}
	return pair
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

// consume takes outputs until ctx is done.
func (b *hotBucket) consume(ctx context.Context, c *consumer) {
	for ctx.Err() == nil {
		for _, key := range b.keys(ctx, "out/") {
			content, err := b.take(key)
			if err != nil {
				b.Error(err)
			}
			c.mu.Lock()
			c.seen[filepath.Base(key)]++
			if !strings.HasPrefix(content, "<Order>") || !strings.HasSuffix(content, "</Order>") {
				c.torn = append(c.torn, key)
			}
			c.mu.Unlock()
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func killHotBucket(t *testing.T, remote *remoteSide) {
	before := remote.Counts().Signatures
	b := newHotBucket(t)
	pair := b.instances(remote)
	ctx, stop := context.WithCancel(t.Context())
	c := &consumer{seen: make(map[string]int)}
	var consuming sync.WaitGroup
	consuming.Go(func() { b.consume(ctx, c) })
	defer func() { stop(); consuming.Wait() }()
	for i := range hotFiles {
		b.put(fmt.Sprintf("%02d.xml", i), fmt.Sprintf("<Order><Line>%d</Line></Order>", i))
		if i%(hotFiles/3) == 0 {
			victim := pair[rand.N(len(pair))]
			time.Sleep(rand.N(700 * time.Millisecond)) // the random moment is what the test varies
			victim.Kill()
			victim.start(t)
		}
	}
	until(t, "all files are delivered", func() bool { return c.count() >= hotFiles })
	until(t, "all originals are in the backup folder", func() bool {
		return len(b.keys(t.Context(), "backup/")) == hotFiles
	})
	var returned, unknown int64
	for _, proxy := range pair {
		until(t, "every digest sent has an end", func() bool {
			n := proxy.signatures(t)
			return n["sent"] == n["returned"]+n["unknown"]+n["refused"] &&
				proxy.metric(t, "signstash_queued_documents") == 0
		})
		n := proxy.signatures(t)
		returned, unknown = returned+n["returned"], unknown+n["unknown"]
	}
	stop()
	consuming.Wait()
	for name, n := range c.seen {
		if n != 1 {
			t.Errorf("%s was delivered %d times", name, n)
		}
	}
	if len(c.seen) != hotFiles || len(c.torn) > 0 {
		t.Errorf("%d files were delivered, want %d; not whole: %v", len(c.seen), hotFiles, c.torn)
	}
	made := remote.Counts().Signatures - before
	t.Logf("%d signatures made, %d returned, %d unknown", made, returned, unknown)
	if made > hotFiles+unknown {
		t.Errorf("%d signatures made for %d outputs, and %d are unknown", made, hotFiles, unknown)
	}
	if t.Failed() {
		for _, proxy := range pair {
			t.Log(proxy.log(t))
		}
	}
}

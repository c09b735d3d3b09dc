package bucket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/bucket"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/storagetest"
)

// Credentials of the stores in tests.
const accessKey, secretKey = "test-access-key", "test-secret-key-0123456789"

// s3Folders are folders in a bucket. Producers and consumers use the SDK.
type s3Folders struct {
	endpoint string
	client   *s3.Client
	prefix   string
}

// newS3Folders returns folders below a prefix of their own.
func newS3Folders(endpoint, prefix string) *s3Folders {
	client := s3.New(s3.Options{BaseEndpoint: &endpoint, Region: "us-east-1", UsePathStyle: true,
		Credentials:                credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired})
	return &s3Folders{endpoint, client, prefix}
}

// stores opens object storage with a credentials file.
func (f *s3Folders) stores(t *testing.T) *bucket.Stores {
	t.Helper()
	file := filepath.Join(t.TempDir(), "credentials")
	text := "[default]\naws_access_key_id = " + accessKey + "\naws_secret_access_key = " + secretKey + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	stores, err := bucket.New(bucket.Config{Log: logr.Discard(),
		Settings: bucket.Settings{Endpoint: f.endpoint, PathStyle: true, CredentialsFile: file}})
	if err != nil {
		t.Fatal(err)
	}
	stores.Hasty()
	return stores
}

// folder opens the folders of an instance.
func (f *s3Folders) folder(t *testing.T, ordinal int) *bucket.Folder {
	t.Helper()
	return openFolder(t, f.stores(t), "s3://"+s3Bucket+"/"+f.prefix, ordinal)
}

// Open implements storagetest.Folders.
func (f *s3Folders) Open(t *testing.T, ordinal int) hotfolder.Storage { return f.folder(t, ordinal) }

// Put implements storagetest.Folders.
func (f *s3Folders) Put(t *testing.T, name, content string) {
	t.Helper()
	_, err := f.client.PutObject(
		t.Context(),
		&s3.PutObjectInput{Bucket: aws.String(s3Bucket), Key: aws.String(f.prefix + "in/" + name),
			Body: bytes.NewReader([]byte(content))},
	)
	if err != nil {
		t.Fatalf("put %q: %v", name, err)
	}
}

// Input, Output and Backup implement storagetest.Folders.
func (f *s3Folders) Input(t *testing.T) map[string]string {
	all := f.objects(t, "in/")
	maps.DeleteFunc(all, func(name, _ string) bool { return strings.HasPrefix(name, ".signstash/") })
	return all
}

func (f *s3Folders) Output(t *testing.T) map[string]string { return f.objects(t, "out/") }

func (f *s3Folders) Backup(t *testing.T) map[string]string { return f.objects(t, "backup/") }

// objects returns the contents of all objects of a folder.
func (f *s3Folders) objects(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	pages := s3.NewListObjectsV2Paginator(
		f.client,
		&s3.ListObjectsV2Input{Bucket: aws.String(s3Bucket), Prefix: aws.String(f.prefix + folder)},
	)
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			found[strings.TrimPrefix(*o.Key, f.prefix+folder)] = f.content(t, *o.Key)
		}
	}
	return found
}

func (f *s3Folders) content(t *testing.T, key string) string {
	t.Helper()
	out, err := f.client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(s3Bucket), Key: &key})
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	data, err := io.ReadAll(out.Body)
	if err = errors.Join(err, out.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// RemoveOutput implements storagetest.Folders.
func (f *s3Folders) RemoveOutput(t *testing.T, path string) {
	t.Helper()
	_, err := f.client.DeleteObject(context.WithoutCancel(t.Context()),
		&s3.DeleteObjectInput{Bucket: aws.String(s3Bucket), Key: aws.String(f.prefix + "out/" + path)})
	if err != nil {
		t.Fatal(err)
	}
}

// Names implements storagetest.Folders.
func (f *s3Folders) Names() []string {
	return []string{
		"a b+c%20#?&=.pdf",
		"Überweisung.pdf",
		"line\nbreak.pdf",
		"tab\tand\"quotes'.xml",
		`back\slash.pdf`,
		"no extension",
		"..pdf",
		"__0x2f__.pdf",
		strings.Repeat("n", 251) + ".pdf",
	}
}

// TestStorageOnFake runs the conformance suite against gofakes3 as it is. It knows only the
// conditions of simple writes, so this covers stores that lack the others.
func TestStorageOnFake(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storagetest.Folders { return newS3Folders(fakeS3(t), "") })
}

// TestStorageOnConditionalFake runs it with all conditions, in a folder of the bucket.
func TestStorageOnConditionalFake(t *testing.T) {
	t.Parallel()
	storagetest.Run(
		t,
		func(t *testing.T) storagetest.Folders { return newS3Folders(fakeS3(t, conditions), "client one/") },
	)
}

// openFolder opens the folders in, out and backup below root for an instance.
func openFolder(t *testing.T, stores *bucket.Stores, root string, ordinal int) *bucket.Folder {
	t.Helper()
	places, err := bucket.ParsePlaces(root+"in", root+"out", root+"backup")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := stores.Folder(bucket.FolderConfig{Places: places, Ordinal: ordinal})
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

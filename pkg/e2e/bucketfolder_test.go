//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	bucketName     = "invoices"
	bucketSecret   = "bucket-credentials"
	bucketEndpoint = "http://bucket." + doorNamespace + ".svc:7070"
	bucketKeyID    = "e2e-access-key"
	bucketKey      = "e2e-secret-key"
	// bucketClients is how many producers and consumers work at the same time.
	bucketClients = 8
)

// bucketFolder is a bucket of an S3 server in the cluster. Producers and consumers reach it through
// the door.
type bucketFolder struct {
	w  *world
	s3 *s3.Client
}

// newBucketFolder starts the server, and makes the bucket, the Secret with the credentials, and the
// client service.
func newBucketFolder(w *world) *bucketFolder {
	w.t.Helper()
	b := &bucketFolder{w: w, s3: s3.New(s3.Options{
		BaseEndpoint: aws.String(bucketEndpoint), Region: "us-east-1", UsePathStyle: true, HTTPClient: w.door,
		Credentials:                credentials.NewStaticCredentialsProvider(bucketKeyID, bucketKey, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})}
	b.serve()
	w.eventually(func() error { // the name is known a moment after the pod is ready
		_, err := b.s3.CreateBucket(w.t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucketName)})
		return err
	})
	file := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", bucketKeyID, bucketKey)
	w.apply(namespace,
		object{
			"apiVersion": "v1", "kind": "Secret", "metadata": object{"name": bucketSecret},
			"stringData": object{"credentials": file},
		},
		hotClient(w, b.client(), "s3://"+bucketName+"/acme/"))
	return b
}

// serve starts the server on the control plane's node, which no step disturbs.
func (b *bucketFolder) serve() {
	b.w.t.Helper()
	labels := object{"app": "bucket"}
	b.w.apply(doorNamespace,
		object{
			"apiVersion": "v1", "kind": "Service", "metadata": object{"name": "bucket"},
			"spec": object{"selector": labels, "ports": []any{object{"port": 7070}}},
		},
		object{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": object{"name": "bucket"},
			"spec": object{"selector": object{"matchLabels": labels}, "template": object{
				"metadata": object{"labels": labels},
				"spec": object{
					"nodeSelector": object{"node-role.kubernetes.io/control-plane": ""},
					"tolerations":  []any{object{"operator": "Exists"}},
					"volumes":      []any{object{"name": "data", "emptyDir": object{}}},
					"containers": []any{object{
						"name": "bucket", "image": "signstash-bucket:e2e", "imagePullPolicy": "Never",
						"args":           []any{"--port", ":7070", "--quiet", "posix", "/data"},
						"env":            []any{variable("ROOT_ACCESS_KEY", bucketKeyID), variable("ROOT_SECRET_KEY", bucketKey)},
						"volumeMounts":   []any{object{"name": "data", "mountPath": "/data"}},
						"readinessProbe": object{"tcpSocket": object{"port": 7070}, "periodSeconds": 1},
					}},
				},
			}},
		})
	b.w.must("kubectl", "-n", doorNamespace, "rollout", "status", "deployment/bucket", "--timeout=2m")
}

// variable returns an environment variable of a container.
func variable(name, value string) object { return object{"name": name, "value": value} }

func (b *bucketFolder) client() string { return "hot-bucket" }

func (b *bucketFolder) put(files map[string][]byte) {
	b.w.t.Helper()
	b.each(sortedNames(files), func(ctx context.Context, name string) error {
		_, err := b.s3.PutObject(ctx, &s3.PutObjectInput{
			Bucket: aws.String(bucketName), Key: aws.String("acme/in/" + name), Body: bytes.NewReader(files[name])})
		return err
	})
}

// each calls do for every name, a few at the same time. It fails the step after an error.
func (b *bucketFolder) each(names []string, do func(ctx context.Context, name string) error) {
	b.w.t.Helper()
	queue := make(chan string)
	errs := make([]error, bucketClients)
	var clients sync.WaitGroup
	for i := range errs {
		clients.Go(func() {
			for name := range queue {
				if err := do(b.w.t.Context(), name); err != nil {
					errs[i] = errors.Join(errs[i], fmt.Errorf("%s: %w", name, err))
				}
			}
		})
	}
	for _, name := range names {
		queue <- name
	}
	close(queue)
	clients.Wait()
	if err := errors.Join(errs...); err != nil {
		b.w.t.Fatal(err)
	}
}

// keys returns the keys below a prefix. With a delimiter it returns only those that have none after
// the prefix.
func (b *bucketFolder) keys(prefix, delimiter string) (keys []string) {
	b.w.t.Helper()
	input := &s3.ListObjectsV2Input{Bucket: aws.String(bucketName), Prefix: aws.String(prefix)}
	if delimiter != "" {
		input.Delimiter = aws.String(delimiter)
	}
	for pages := s3.NewListObjectsV2Paginator(b.s3, input); pages.HasMorePages(); {
		page, err := pages.NextPage(b.w.t.Context())
		if err != nil {
			b.w.t.Fatal(err)
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	return keys
}

func (b *bucketFolder) count() (in, out, backup int) {
	b.w.t.Helper()
	// Below acme/in/ are also the objects of the proxy, in acme/in/.signstash/.
	return len(b.keys("acme/in/", "/")), len(b.keys("acme/out/", "")), len(b.keys("acme/backup/", ""))
}

func (b *bucketFolder) download(folder string) {
	b.w.t.Helper()
	keys := append(b.keys("acme/out/", ""), b.keys("acme/backup/", "")...)
	b.each(keys, func(ctx context.Context, key string) error {
		got, err := b.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucketName), Key: &key})
		if err != nil {
			return err
		}
		content, err := io.ReadAll(got.Body)
		if err = errors.Join(err, got.Body.Close()); err != nil {
			return err
		}
		return writeBelow(folder, strings.TrimPrefix(key, "acme/"), content)
	})
}

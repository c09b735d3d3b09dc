package bucket_test

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/storagetest"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
)

// server returns the path of a storage server, which `make test-storage` builds and names in an
// environment variable. Without it the test is skipped.
func server(t *testing.T, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Skipf("%s does not name the server; `make test-storage` builds it", variable)
	}
	return path
}

// start runs a server until the end of the test, and returns when its port accepts connections.
func start(t *testing.T, port int, cmd *exec.Cmd) {
	t.Helper()
	log := &strings.Builder{}
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if log.Len() < 1<<20 {
				log.WriteString(lines.Text() + "\n")
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = in.Close()
		<-copied
		if t.Failed() {
			t.Logf("log of %s:\n%s", cmd.Path, log)
		}
	})
	for tries := 0; ; tries++ {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = conn.Close()
			return
		}
		if tries == 600 {
			t.Fatalf("%s does not listen: %v", cmd.Path, err)
		}
		if err := pace.Pause(t.Context(), 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

// freePort returns a port of the loopback interface that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// versitygw starts an S3 server on a folder, with a bucket.
func versitygw(t *testing.T) (endpoint string) {
	t.Helper()
	port := freePort(t)
	cmd := exec.Command(server(t, "VERSITYGW"), "--access", accessKey, "--secret", secretKey,
		"--port", "127.0.0.1:"+strconv.Itoa(port), "posix", t.TempDir())
	start(t, port, cmd)
	endpoint = "http://127.0.0.1:" + strconv.Itoa(port)
	client := newS3Folders(endpoint, "").client
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(s3Bucket)}); err != nil {
		t.Fatal(err)
	}
	return endpoint
}

// TestStorageOnServerVersitygw runs the conformance suite against a real server, which checks
// signatures, conditions, copies and uploads.
func TestStorageOnServerVersitygw(t *testing.T) {
	endpoint := versitygw(t)
	storagetest.Run(t, func(t *testing.T) storagetest.Folders {
		return newS3Folders(endpoint, strings.ReplaceAll(t.Name(), "/", "-")+"/")
	})
}

package bucket_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/bucket"
)

// TestHints wakes the folder whose input folder has the new object, and no other.
func TestHints(t *testing.T) {
	const ours = "client%20one/in/a%2Bb.pdf"
	for _, tt := range []struct {
		name, subject, body string
		status              int
		wakes               bool
	}{
		{"S3", "",
			`{"Records":[{"s3":{"bucket":{"name":"invoices"},"object":{"key":"` + ours + `"}}}]}`, 204, true},
		{"S3, other bucket", "",
			`{"Records":[{"s3":{"bucket":{"name":"other"},"object":{"key":"` + ours + `"}}}]}`, 204, false},
		{"S3, output", "",
			`{"Records":[{"s3":{"bucket":{"name":"invoices"},"object":{"key":"client+one/out/a.pdf"}}}]}`, 204, false},
		{"S3, our own", "",
			`{"Records":[{"s3":{"bucket":{"name":"invoices"},"object":{"key":"client+one/in/.signstash/x"}}}]}`, 204, false},
		{"EventBridge", "",
			`{"detail":{"bucket":{"name":"invoices"},"object":{"key":"client one/in/a.pdf"}}}`, 204, true},
		{"CloudEvent of GCS", "",
			`{"specversion":"1.0","data":{"bucket":"invoices","name":"client one/in/a.pdf"}}`, 204, true},
		{"binary CloudEvent of GCS", "",
			`{"bucket":"invoices","name":"other/in/a.pdf"}`, 204, false},
		{"batch", "",
			`[{"data":{"bucket":"other","name":"x"}},{"data":{"bucket":"invoices","name":"client one/in/b"}}]`, 204, true},
		{"CloudEvent of Azure", "",
			`{"subject":"/blobServices/default/containers/invoices/blobs/client one/in/a.pdf"}`, 204, true},
		{"binary CloudEvent of Azure", "/blobServices/default/containers/other/blobs/a.pdf",
			``, 204, false},
		{"no object", "",
			`{"hello":"world"}`, 204, true},
		{"another form", "",
			`"hello"`, 204, true},
		{"no JSON", "",
			`hello`, 400, false},
		{"too large", "",
			`"` + strings.Repeat("x", 300<<10) + `"`, 413, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := hintedFolder(t)
			handler := bucket.Hints(func() []*bucket.Folder { return []*bucket.Folder{folder} })
			for range 2 { // a second hint does not block
				request := httptest.NewRequest(http.MethodPost, "/notify", strings.NewReader(tt.body))
				request.Header.Set("Ce-Subject", tt.subject)
				answer := httptest.NewRecorder()
				handler.ServeHTTP(answer, request)
				if answer.Code != tt.status {
					t.Errorf("status = %d, want %d", answer.Code, tt.status)
				}
			}
			select {
			case <-folder.Wake():
				if !tt.wakes {
					t.Error("the folder was woken")
				}
			default:
				if tt.wakes {
					t.Error("the folder was not woken")
				}
			}
		})
	}
}

// hintedFolder is a folder that gets notifications.
func hintedFolder(t *testing.T) *bucket.Folder {
	t.Helper()
	root := "s3://" + s3Bucket + "/client one/"
	places, err := bucket.ParsePlaces(root+"in", root+"out", root+"backup")
	if err != nil {
		t.Fatal(err)
	}
	stores := newS3Folders("http://127.0.0.1:1", "").stores(t)
	folder, err := stores.Folder(bucket.FolderConfig{Places: places, Hinted: true})
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

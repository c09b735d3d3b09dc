package bucket_test

import (
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/bucket"
)

// TestParseNotification finds the new files of an input folder in what the stores send.
func TestParseNotification(t *testing.T) {
	places, err := bucket.ParsePlaces("s3://invoices/client one/in", "s3://invoices/client one/out",
		"s3://invoices/client one/backup")
	if err != nil {
		t.Fatal(err)
	}
	binary := map[string]string{"Ce-Specversion": "1.0", "Ce-Type": "x", "Ce-Id": "1"}
	const ours = "client%20one/in/a%2Bb.pdf"
	for _, tt := range []struct {
		name    string
		header  map[string]string
		body    string
		objects int
		names   string
	}{
		{"S3", nil,
			`{"Records":[{"s3":{"bucket":{"name":"invoices"},"object":{"key":"` + ours + `"}}}]}`, 1, "a+b.pdf"},
		{"S3, other bucket", nil,
			`{"Records":[{"s3":{"bucket":{"name":"other"},"object":{"key":"` + ours + `"}}}]}`, 1, ""},
		{"S3, output", nil,
			`{"Records":[{"s3":{"bucket":{"name":"invoices"},"object":{"key":"client+one/out/a.pdf"}}}]}`, 1, ""},
		{"S3, our own", nil,
			`{"Records":[{"s3":{"bucket":{"name":"invoices"},"object":{"key":"client+one/in/.signstash/x"}}}]}`, 1, ""},
		{"S3, the folder itself", nil,
			`{"Records":[{"s3":{"bucket":{"name":"invoices"},"object":{"key":"client+one/in/"}}}]}`, 1, ""},
		{"S3, test event", nil,
			`{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"invoices"}`, 0, ""},
		{"EventBridge", nil,
			`{"detail-type":"Object Created","detail":{"bucket":{"name":"invoices"},"object":{"key":"client one/in/a.pdf"}}}`,
			1, "a.pdf"},
		{"CloudEvent of GCS", nil,
			`{"specversion":"1.0","type":"google.cloud.storage.object.v1.finalized","subject":"objects/client one/in/a.pdf",` +
				`"data":{"bucket":"invoices","name":"client one/in/a.pdf"}}`, 1, "a.pdf"},
		{"binary CloudEvent of GCS", map[string]string{"Ce-Specversion": "1.0", "Content-Type": "application/json"},
			`{"bucket":"invoices","name":"client one/in/a.pdf"}`, 1, "a.pdf"},
		{"Pub/Sub", nil,
			`{"message":{"attributes":{"bucketId":"invoices","objectId":"client one/in/a.pdf"},"data":"e30="},` +
				`"subscription":"projects/p/subscriptions/s"}`, 1, "a.pdf"},
		{"batch", nil,
			`[{"data":{"bucket":"other","name":"x"}},{"data":{"bucket":"invoices","name":"client one/in/b"}}]`, 2, "b"},
		{"CloudEvent of Azure", nil,
			`{"specversion":"1.0","subject":"/blobServices/default/containers/invoices/blobs/client one/in/a.pdf"}`, 1, "a.pdf"},
		{"Event Grid", nil,
			`[{"eventType":"Microsoft.Storage.BlobCreated","data":{"url":"https://x"},` +
				`"subject":"/blobServices/default/containers/invoices/blobs/client one/in/a.pdf"}]`, 1, "a.pdf"},
		{"binary CloudEvent of Azure", map[string]string{"Ce-Specversion": "1.0", "Content-Type": "application/pdf",
			"Ce-Subject": "/blobServices/default/containers/invoices/blobs/client one/in/a.pdf"}, `%PDF`, 1, "a.pdf"},
		{"binary CloudEvent without data", binary, ``, 0, ""},
		{"another object", nil, `{"hello":"world"}`, 0, ""},
		{"wrong types", nil, `{"Records":"a","subject":{},"detail":[1],"data":"x","message":"y","bucket":7}`, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header := http.Header{}
			for name, value := range tt.header {
				header.Set(name, value)
			}
			n, err := bucket.ParseNotification(header, []byte(tt.body))
			if err != nil || len(n.Objects) != tt.objects || n.Validation != "" {
				t.Errorf("ParseNotification = %+v, %v, want %d objects", n, err, tt.objects)
			}
			if got := strings.Join(places.Names(n.Objects), " "); got != tt.names {
				t.Errorf("Names = %q, want %q", got, tt.names)
			}
		})
	}
}

// TestParseNotificationRefuses says what is wrong with a message that cannot be read. It does not
// accept subscriptions of Amazon SNS, which want that an address is called.
func TestParseNotificationRefuses(t *testing.T) {
	for body, want := range map[string]string{
		``:             "neither JSON nor",
		`hello`:        "neither JSON nor",
		`{"Records":[`: "neither JSON nor",
		`"hello"`:      "neither a JSON object",
		`[1]`:          "neither a JSON object",
		`{"Type":"SubscriptionConfirmation","SubscribeURL":"http://127.0.0.1:1/"}`: "Amazon SNS",
		`{"Type":"Notification","TopicArn":"arn:aws:sns:x","Message":"{}"}`:        "Amazon SNS",
	} {
		n, err := bucket.ParseNotification(http.Header{}, []byte(body))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseNotification(%s) = %+v, %v, want %q", body, n, err, want)
		}
	}
}

// TestValidation finds the code by which Azure Event Grid asks whether we want its events.
func TestValidation(t *testing.T) {
	event := func(code string) string {
		return `[{"id":"1","subject":"","data":{"validationCode":"` + code + `","validationUrl":"https://x"},` +
			`"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent"}]`
	}
	var got []string
	for _, code := range []string{"512d38b6-c7b8-40c8-89fe-f46f9e9622b6", strings.Repeat("x", 1000)} {
		n, err := bucket.ParseNotification(http.Header{}, []byte(event(code)))
		if err != nil || len(n.Objects) > 0 {
			t.Errorf("ParseNotification = %+v, %v", n, err)
		}
		got = append(got, n.Validation)
	}
	if !slices.Equal(got, []string{"512d38b6-c7b8-40c8-89fe-f46f9e9622b6", ""}) {
		t.Errorf("codes = %q", got)
	}
}

// TestLargeNotification reads bodies of the largest size with a bounded amount of memory, because
// an instance has a few hundred MiB for everything. An array of too many messages names no objects.
func TestLargeNotification(t *testing.T) {
	const object = `{"bucket":"b","name":"n"}`
	for name, tt := range map[string]struct {
		before, repeated, after string
		count, objects          int
	}{
		"empty messages":        {`[`, `{}`, `]`, 1 << 20 / 3, 0},
		"empty records":         {`{"Records":[`, `{}`, `]}`, 1 << 20 / 3, 0},
		"too many objects":      {`[`, object, `]`, 10_001, 0},
		"the most objects":      {` [`, object, `]`, 10_000, 10_000},
		"messages with records": {`[`, `{"Records":[{},{},{},{}]}`, `]`, 1 << 20 / 27, 0},
	} {
		t.Run(name, func(t *testing.T) {
			list := strings.Repeat(tt.repeated+",", tt.count)
			body := []byte(tt.before + strings.TrimSuffix(list, ",") + tt.after)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			n, err := bucket.ParseNotification(http.Header{}, body)
			runtime.ReadMemStats(&after)
			if err != nil || len(n.Objects) != tt.objects {
				t.Errorf("ParseNotification = %d objects, %v, want %d", len(n.Objects), err, tt.objects)
			}
			if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib > 96 {
				t.Errorf("it allocates %d MiB", mib)
			}
		})
	}
}

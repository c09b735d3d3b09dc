package bucket

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxHintBytes bounds a notification. Stores send at most 10 records, of 1 KiB or less, at a time.
const maxHintBytes = 256 << 10

// Hints accepts notifications of new objects and wakes the folders that they concern. It reads
// CloudEvents (structured, in batches, and binary) and the event messages of S3. A message that
// names no object wakes all folders, because listing is the truth and costs little. The caller
// authenticates requests. The answers are 204, 400 for what is no JSON, and 413.
func Hints(folders func() []*Folder) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxHintBytes))
		if err != nil {
			http.Error(w, "the notification is too large or was cut off", http.StatusRequestEntityTooLarge)
			return
		}
		named, ok := hintedObjects(body, r.Header.Get("Ce-Subject"))
		if !ok {
			http.Error(w, "the notification is not JSON", http.StatusBadRequest)
			return
		}
		for _, f := range folders() {
			if f.concerned(named) {
				f.Notify()
			}
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// hinted is an object that a notification names.
type hinted struct{ bucket, key string }

// concerned reports whether one of the objects is in the input folder.
func (f *Folder) concerned(objects []hinted) bool {
	in := f.input.Input
	for _, o := range objects {
		if o.bucket == in.Bucket && strings.HasPrefix(o.key, in.Prefix) && !strings.HasPrefix(o.key, in.Prefix+own+"/") {
			return true
		}
	}
	return len(objects) == 0
}

// notification has the fields of all forms of messages.
type notification struct {
	Records []struct { // S3
		S3 s3Named `json:"s3"`
	} `json:"Records"`
	Subject string          `json:"subject"` // CloudEvents of Azure
	Data    json.RawMessage `json:"data"`    // CloudEvents
	Detail  json.RawMessage `json:"detail"`  // EventBridge

	Bucket json.RawMessage `json:"bucket"` // data of a CloudEvent: a name (GCS) or an object (S3)
	Name   string          `json:"name"`
	Object struct {
		Key string `json:"key"`
	} `json:"object"`
}

type s3Named struct {
	Bucket struct {
		Name string `json:"name"`
	} `json:"bucket"`
	Object struct {
		Key string `json:"key"` // form-encoded
	} `json:"object"`
}

// hintedObjects returns the objects of a message. ok is false if it is not JSON.
func hintedObjects(body []byte, subject string) (objects []hinted, ok bool) {
	if len(body) == 0 {
		return objectsOfSubject(subject), true
	}
	var batch []notification
	if json.Unmarshal(body, &batch) != nil {
		if !json.Valid(body) {
			return nil, false
		}
		var single notification
		if json.Unmarshal(body, &single) != nil { // JSON of another form
			return nil, true
		}
		batch = []notification{single}
	}
	objects = objectsOfSubject(subject)
	for _, n := range batch {
		objects = append(objects, n.objects(1)...)
	}
	return objects, true
}

// objects returns the objects of a notification. depth bounds how many envelopes are opened.
func (n notification) objects(depth int) []hinted {
	list := objectsOfSubject(n.Subject)
	for _, r := range n.Records {
		if key, err := url.QueryUnescape(r.S3.Object.Key); err == nil && r.S3.Bucket.Name != "" {
			list = append(list, hinted{r.S3.Bucket.Name, key})
		}
	}
	var name string
	var bucket struct {
		Name string `json:"name"`
	}
	switch {
	case json.Unmarshal(n.Bucket, &name) == nil && name != "" && n.Name != "":
		list = append(list, hinted{name, n.Name})
	case json.Unmarshal(n.Bucket, &bucket) == nil && bucket.Name != "" && n.Object.Key != "":
		list = append(list, hinted{bucket.Name, n.Object.Key})
	}
	for _, data := range []json.RawMessage{n.Data, n.Detail} {
		var inner notification
		if depth > 0 && json.Unmarshal(data, &inner) == nil {
			list = append(list, inner.objects(depth-1)...)
		}
	}
	return list
}

// objectsOfSubject reads the subject of an event of Azure:
// /blobServices/default/containers/<container>/blobs/<name>.
func objectsOfSubject(subject string) []hinted {
	_, rest, found := strings.Cut(subject, "/containers/")
	container, key, both := strings.Cut(rest, "/blobs/")
	if !found || !both {
		return nil
	}
	return []hinted{{container, key}}
}

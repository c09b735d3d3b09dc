package bucket

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// Notification is what a message about new objects says.
type Notification struct {
	// Objects are the objects that the message names. Empty = it names none, so anything may be new.
	Objects []Object
	// Validation is the code that Azure Event Grid wants to have back before it sends events to an
	// address. Empty = the message is no such question.
	Validation string
}

// Object is an object in a bucket of any kind.
type Object struct{ Bucket, Key string }

// Errors of ParseNotification, for its sender.
var (
	errNotJSON = errors.New("the notification is neither JSON nor a CloudEvent in the binary mode")
	errForm    = errors.New("the notification is neither a JSON object nor an array of objects")
	errSNS     = errors.New("messages of Amazon SNS are not accepted, and subscriptions are not confirmed, because that " +
		"would call an address that the message names; let Amazon EventBridge send the events")
)

// maxMessages is how many messages of an array are read. Azure Event Grid sends 5,000 at most. A
// short message needs a hundred times its size in memory, and a body may hold 300,000 of them.
const maxMessages = 10_000

// ParseNotification reads a message about new objects: CloudEvents 1.0 (structured, in batches, and
// binary), and what S3, Amazon EventBridge, Google Pub/Sub and Azure Event Grid send. A message of
// another form that is a JSON object names no object, and neither does an array of more than 10,000
// messages. It calls nobody. Deletions and other events
// are not told apart, because a reader of the object sees that it does not exist.
func ParseNotification(header http.Header, body []byte) (Notification, error) {
	n := Notification{Objects: objectsOfSubject(header.Get("Ce-Subject"))}
	if header.Get("Ce-Specversion") != "" && (len(body) == 0 || !isJSON(header.Get("Content-Type"))) {
		return n, nil // the data of the event is something else
	}
	count := 0
	for m, err := range messagesOf(body) {
		if err != nil {
			return Notification{}, err
		}
		if count++; count > maxMessages {
			return Notification{}, nil // anything may be new
		}
		if m.Type == "SubscriptionConfirmation" || m.Type == "UnsubscribeConfirmation" || m.TopicArn != "" {
			return Notification{}, errSNS
		}
		if m.EventType == validationEvent {
			n.Validation = m.validationCode()
		}
		n.Objects = append(n.Objects, m.objects(1)...)
	}
	return n, nil
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}

// messagesOf reads one message or an array of them. A field of an unexpected type is left out,
// because messages of an unknown form are accepted. One message is in memory at a time.
func messagesOf(body []byte) iter.Seq2[message, error] {
	return func(yield func(message, error) bool) {
		if !json.Valid(body) {
			yield(message{}, errNotJSON)
			return
		}
		if text := bytes.TrimLeft(body, " \t\r\n"); text[0] != '[' {
			yield(readMessage(text))
			return
		}
		list := json.NewDecoder(bytes.NewReader(body))
		_, _ = list.Token() // the bracket
		for list.More() {
			var text json.RawMessage
			_ = list.Decode(&text) // the body is valid
			if m, err := readMessage(text); !yield(m, err) || err != nil {
				return
			}
		}
	}
}

func readMessage(text []byte) (m message, err error) {
	var mismatch *json.UnmarshalTypeError
	if err := json.Unmarshal(text, &m); err != nil && (!errors.As(err, &mismatch) || mismatch.Field == "") {
		return message{}, errForm
	}
	return m, nil
}

// Names returns the names of the objects that are in the input folder itself.
func (p Places) Names(objects []Object) (names []string) {
	for _, o := range objects {
		name, inside := strings.CutPrefix(o.Key, p.Input.Prefix)
		if o.Bucket == p.Input.Bucket && inside && name != "" && !strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	return names
}

// message has the fields of all forms of messages.
type message struct {
	Records []struct { // S3
		S3 s3Named `json:"s3"`
	} `json:"Records"`
	Message   json.RawMessage `json:"message"` // Pub/Sub; SNS has a text of that name
	Subject   string          `json:"subject"` // Azure
	EventType string          `json:"eventType"`
	Data      json.RawMessage `json:"data"`   // CloudEvents and Azure
	Detail    json.RawMessage `json:"detail"` // EventBridge

	Type     string `json:"Type"` // SNS; CloudEvents have a field type, which is never one of these values
	TopicArn string `json:"TopicArn"`

	Bucket json.RawMessage `json:"bucket"` // data of a CloudEvent: a name (GCS) or an object (S3)
	Name   string          `json:"name"`
	Object struct {
		Key string `json:"key"`
	} `json:"object"`
}

type pubSubMessage struct {
	Attributes struct {
		Bucket string `json:"bucketId"`
		Object string `json:"objectId"`
	} `json:"attributes"`
}

type s3Named struct {
	Bucket struct {
		Name string `json:"name"`
	} `json:"bucket"`
	Object struct {
		Key string `json:"key"` // form-encoded
	} `json:"object"`
}

// objects returns the objects of a message. depth bounds how many envelopes are opened.
func (m message) objects(depth int) []Object {
	list := objectsOfSubject(m.Subject)
	for _, r := range m.Records {
		if key, err := url.QueryUnescape(r.S3.Object.Key); err == nil && r.S3.Bucket.Name != "" {
			list = append(list, Object{r.S3.Bucket.Name, key})
		}
	}
	var pushed pubSubMessage
	if a := &pushed.Attributes; json.Unmarshal(m.Message, &pushed) == nil && a.Bucket != "" && a.Object != "" {
		list = append(list, Object{a.Bucket, a.Object})
	}
	var name string
	var bucket struct {
		Name string `json:"name"`
	}
	switch {
	case json.Unmarshal(m.Bucket, &name) == nil && name != "" && m.Name != "":
		list = append(list, Object{name, m.Name})
	case json.Unmarshal(m.Bucket, &bucket) == nil && bucket.Name != "" && m.Object.Key != "":
		list = append(list, Object{bucket.Name, m.Object.Key})
	}
	for _, data := range []json.RawMessage{m.Data, m.Detail} {
		var inner message
		if depth > 0 && json.Unmarshal(data, &inner) == nil {
			list = append(list, inner.objects(depth-1)...)
		}
	}
	return list
}

// validationEvent is the type of the event by which Azure Event Grid asks whether we want its
// events.
const validationEvent = "Microsoft.EventGrid.SubscriptionValidationEvent"

// maxValidation bounds the code of such an event, which is a UUID.
const maxValidation = 128

// validationCode returns the code of such an event, or nothing. The address in it, which may be
// called instead, is not read.
func (m message) validationCode() string {
	var data struct {
		Code string `json:"validationCode"`
	}
	if json.Unmarshal(m.Data, &data) != nil || len(data.Code) > maxValidation {
		return ""
	}
	return data.Code
}

// objectsOfSubject reads the subject of an event of Azure:
// /blobServices/default/containers/<container>/blobs/<name>.
func objectsOfSubject(subject string) []Object {
	_, rest, found := strings.Cut(subject, "/containers/")
	container, key, both := strings.Cut(rest, "/blobs/")
	if !found || !both {
		return nil
	}
	return []Object{{container, key}}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"

	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// apiPath is where the API of a proxy is.
const apiPath = "/signstash/einvoice-integration-client-ws/api/v0/"

// raw signs documents without base64: it sends them as a form, and gets each signed document with
// a call of its own.
type raw struct{ url string } // root of the proxy

// sign signs docs in one synchronous request, gets all signed documents and drops them.
func (r raw) sign(ctx context.Context, reference string, docs []document) (*client.Operation, error) {
	body, to := io.Pipe()
	form := multipart.NewWriter(to)
	go func() { to.CloseWithError(errors.Join(writeSignForm(form, reference, docs), form.Close())) }()
	defer body.Close()
	var op client.Operation
	err := r.call(ctx, http.MethodPost, "document/sign/", body, form.FormDataContentType(), func(answer io.Reader) error {
		return json.NewDecoder(answer).Decode(&op)
	})
	if err != nil {
		return nil, err
	}
	for i := range op.Documents {
		path := fmt.Sprintf("operation/sign/detail/%d/documents/%d", op.ID, i)
		err := r.call(ctx, http.MethodGet, path, nil, "", func(answer io.Reader) error {
			_, err := io.Copy(forget{}, answer)
			return err
		})
		if err != nil {
			return nil, err
		}
		op.Documents[i].Content = i
	}
	return &op, nil
}

// call makes a call and passes the body of a successful answer to read.
func (r raw) call(
	ctx context.Context, method, path string, body io.Reader, contentType string, read func(io.Reader) error,
) error {
	req, err := http.NewRequestWithContext(ctx, method, r.url+apiPath+path, body)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.SetBasicAuth(clientID, secret)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return read(resp.Body)
}

// writeSignForm writes the parts of a sign request.
func writeSignForm(form *multipart.Writer, reference string, docs []document) error {
	type object = map[string]any
	request := object{"externalReference": reference, "description": "bench", "returnSignedContent": false}
	var list []object
	for _, d := range docs {
		name := filepath.Base(d.path)
		list = append(list, object{
			"signatureInfo": kindOf(d.path).request(),
			"documentRequest": object{
				"externalReference": name, "name": name, "contentType": kindOf(d.path).contentType,
			},
		})
	}
	request["documents"] = list
	part, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="signRequest"`}, "Content-Type": {"application/json"},
	})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(part).Encode(request); err != nil {
		return err
	}
	for _, d := range docs {
		if err := writePart(form, d.path); err != nil {
			return err
		}
	}
	return nil
}

func writePart(form *multipart.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open document: %w", err)
	}
	defer file.Close()
	part, err := form.CreateFormFile("files", filepath.Base(path))
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{part}, struct{ io.Reader }{file}, make([]byte, 256<<10))
	return err
}

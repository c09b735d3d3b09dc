package bucket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/oauth2/google"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
)

// maxCredentialsFile bounds the file.
const maxCredentialsFile = 64 << 10

// CheckCredentials reads the credentials file as a store of that kind does. It makes no call, so it
// does not find out whether the store accepts the credentials. Without a file it returns nil.
func (s *Stores) CheckCredentials(ctx context.Context, kind Kind) (err error) {
	file := s.cfg.CredentialsFile
	switch {
	case file == "":
	case kind == S3:
		_, err = awsFile(file).Retrieve(ctx)
	case kind == GCS:
		_, err = googleFile(ctx, file)
	case kind == Azure:
		var values map[string]string
		if values, err = azureFile(file); err == nil {
			_, err = s.azureAuthorize(values["AccountName"], values)
		}
	}
	return err
}

// readCredentials returns the content of a credentials file. Errors contain the path and nothing of
// the content.
func readCredentials(file string) ([]byte, error) {
	data, err := secretfile.Bounded(file, maxCredentialsFile)
	return data, missingFile(err)
}

// missingFile says so if a file does not exist. It returns other errors as they are.
func missingFile(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) && errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("file %s does not exist", at.Path)
	}
	return err
}

// googleFile reads a credentials file of Google Cloud.
func googleFile(ctx context.Context, file string) (*google.Credentials, error) {
	data, err := readCredentials(file)
	if err != nil {
		return nil, err
	}
	found, err := google.CredentialsFromJSONWithType(ctx, data, typeOf(data), gcsScope)
	if err != nil { // it may quote the content
		return nil, fmt.Errorf("%s is not the JSON of a service account or of a workload identity", file)
	}
	return found, nil
}

// azureFile reads a connection string.
func azureFile(file string) (map[string]string, error) {
	text, err := secretfile.Read(file)
	if err != nil {
		return nil, missingFile(err)
	}
	return connectionString(text), nil
}

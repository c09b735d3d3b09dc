package bucket

import (
	"errors"
	"fmt"
	"net/url"
)

// Settings say how object storage is reached. The zero value uses the public endpoints of the
// providers and the identity that the environment gives (workload identity, variables, files).
type Settings struct {
	// Endpoint is the URL of a store with the interface of S3, GCS or Azure, such as
	// https://minio.example.com:9000. It applies to all folders in object storage. Empty = the public
	// endpoint.
	Endpoint string
	// Region of an S3 bucket. Empty = AWS_REGION, or us-east-1 with an Endpoint.
	Region string
	// PathStyle puts the name of an S3 bucket into the path instead of the host name. Most stores with
	// an Endpoint need it.
	PathStyle bool
	// CAFile is a PEM bundle that is trusted in addition to the system's authorities, instead of the
	// bundle for other outgoing calls.
	CAFile string
	// CredentialsFile holds the credentials. S3: a file in the form of ~/.aws/credentials, of which
	// the section [default] is read. GCS: the JSON of a service account or of a workload identity.
	// Azure: a connection string. For S3 it is read again every minute. Empty = the identity of the
	// environment.
	CredentialsFile string
	// Direct calls the store without the HTTP proxy that other outgoing calls use, for a store in the
	// internal network.
	Direct bool
}

// Validate returns all mistakes, joined.
func (s Settings) Validate() error {
	if s.Endpoint == "" {
		if s.PathStyle {
			return errors.New("path style is for an endpoint of your own, but no endpoint is set")
		}
		return nil
	}
	u, err := url.Parse(s.Endpoint)
	switch {
	case err != nil:
		return errors.New("the endpoint of the object storage is not a URL")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return fmt.Errorf(
			"the endpoint %q of the object storage does not begin with https:// or http:// and a host",
			u.Redacted(),
		)
	case u.User != nil:
		return errors.New(
			"the endpoint of the object storage contains a user or a password, which belong into the credentials file",
		)
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("the endpoint %q of the object storage contains ? or #", u.Redacted())
	}
	return nil
}

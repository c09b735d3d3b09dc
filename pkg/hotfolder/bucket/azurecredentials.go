package bucket

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
)

// azureResource is what tokens are for.
const azureResource = "https://storage.azure.com/"

// openAzure makes a client for one container. The account is in the endpoint, the connection string
// or AZURE_STORAGE_ACCOUNT.
func (s *Stores) openAzure(container string) (store, error) {
	values := map[string]string{}
	if file := s.cfg.CredentialsFile; file != "" {
		var err error
		if values, err = azureFile(file); err != nil {
			return nil, err
		}
	}
	account := cmp.Or(values["AccountName"], os.Getenv("AZURE_STORAGE_ACCOUNT"))
	endpoint := strings.TrimSuffix(cmp.Or(s.cfg.Endpoint, values["BlobEndpoint"]), "/")
	if endpoint == "" {
		if account == "" {
			return nil, errors.New(
				"the storage account is not set: AccountName in the credentials file, or AZURE_STORAGE_ACCOUNT",
			)
		}
		endpoint = "https://" + account + ".blob." + cmp.Or(values["EndpointSuffix"], "core.windows.net")
	}
	authorize, err := s.azureAuthorize(account, values)
	if err != nil {
		return nil, err
	}
	return &azureStore{
		rest:      rest{client: s.http, bucket: container, patience: s.patience, buffers: s.buffers, authorize: authorize},
		container: endpoint + "/" + container,
	}, nil
}

// connectionString reads Key=Value;Key=Value.
func connectionString(text string) map[string]string {
	values := make(map[string]string)
	for pair := range strings.SplitSeq(text, ";") {
		if key, value, found := strings.Cut(strings.TrimSpace(pair), "="); found {
			values[key] = value
		}
	}
	return values
}

// azureAuthorize chooses how requests are authorized: the account key or the shared access
// signature of the connection string, or a token of the workload identity or of the managed
// identity.
func (s *Stores) azureAuthorize(account string, values map[string]string) (func(*http.Request) error, error) {
	switch {
	case values["AccountKey"] != "":
		return newSharedKey(account, values["AccountKey"])
	case values["SharedAccessSignature"] != "":
		signature := strings.TrimPrefix(values["SharedAccessSignature"], "?")
		return func(r *http.Request) error {
			setAzureHeaders(r)
			r.URL.RawQuery = strings.TrimPrefix(r.URL.RawQuery+"&"+signature, "&")
			return nil
		}, nil
	case s.cfg.CredentialsFile != "":
		return nil, errors.New("the credentials file has neither AccountKey nor SharedAccessSignature")
	}
	var source oauth2.TokenSource = managedIdentity{s.http, s.patience.small}
	if file := os.Getenv("AZURE_FEDERATED_TOKEN_FILE"); file != "" {
		source = federatedIdentity{&http.Client{Transport: s.http}, file, s.patience.small}
	}
	source = oauth2.ReuseTokenSource(nil, source)
	return func(r *http.Request) error {
		setAzureHeaders(r)
		token, err := source.Token()
		if err != nil {
			return tokenFault(err)
		}
		token.SetAuthHeader(r)
		return nil
	}, nil
}

func setAzureHeaders(r *http.Request) {
	r.Header.Set("X-Ms-Version", azureVersion)
	r.Header.Set("X-Ms-Date", time.Now().UTC().Format(http.TimeFormat))
}

// federatedIdentity is the workload identity of AKS. The token file changes.
type federatedIdentity struct {
	client *http.Client
	file   string
	limit  time.Duration
}

func (f federatedIdentity) Token() (*oauth2.Token, error) {
	assertion, err := secretfile.Read(f.file)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), oauth2.HTTPClient, f.client), f.limit)
	defer cancel()
	authority := strings.TrimSuffix(cmp.Or(os.Getenv("AZURE_AUTHORITY_HOST"), "https://login.microsoftonline.com"), "/")
	cfg := clientcredentials.Config{
		ClientID:  os.Getenv("AZURE_CLIENT_ID"),
		TokenURL:  authority + "/" + url.PathEscape(os.Getenv("AZURE_TENANT_ID")) + "/oauth2/v2.0/token",
		Scopes:    []string{azureResource + ".default"},
		AuthStyle: oauth2.AuthStyleInParams,
		EndpointParams: url.Values{"client_assertion": {assertion},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}},
	}
	return cfg.Token(ctx)
}

// managedIdentity is the identity of the machine.
type managedIdentity struct {
	client httpClient
	limit  time.Duration
}

func (m managedIdentity) Token() (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(context.Background(), m.limit)
	defer cancel()
	query := url.Values{"api-version": {"2018-02-01"}, "resource": {azureResource}}
	if id := os.Getenv("AZURE_CLIENT_ID"); id != "" {
		query.Set("client_id", id)
	}
	address := "http://169.254.169.254/metadata/identity/oauth2/token?" + query.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Metadata", "true")
	answer, err := m.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, &oauth2.RetrieveError{Response: answer}
	}
	var token struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   string `json:"expires_in"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxCredentialsFile)).Decode(&token); err != nil {
		return nil, err
	}
	seconds, err := strconv.Atoi(token.ExpiresIn)
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{AccessToken: token.AccessToken, Expiry: time.Now().Add(time.Duration(seconds) * time.Second)}, nil
}

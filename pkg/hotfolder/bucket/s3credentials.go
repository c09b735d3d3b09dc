package bucket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
)

// awsCredentials chooses where the credentials for S3 come from: the file of the settings, or else
// the first that the environment has of variables with a key, a web identity (IRSA on EKS), an
// endpoint of the container (EKS Pod Identity, ECS) and the metadata service of EC2.
func (s *Stores) awsCredentials(region string) (aws.CredentialsProvider, error) {
	if s.cfg.CredentialsFile != "" {
		return awsFile(s.cfg.CredentialsFile), nil
	}
	key, secret := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	if key != "" && secret != "" {
		return credentials.NewStaticCredentialsProvider(key, secret, os.Getenv("AWS_SESSION_TOKEN")), nil
	}
	if role, file := os.Getenv("AWS_ROLE_ARN"), os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"); role != "" && file != "" {
		client := sts.New(sts.Options{Region: region, HTTPClient: s.http})
		return stscreds.NewWebIdentityRoleProvider(
			client,
			role,
			stscreds.IdentityTokenFile(file),
			func(o *stscreds.WebIdentityRoleOptions) {
				o.RoleSessionName = os.Getenv("AWS_ROLE_SESSION_NAME")
			},
		), nil
	}
	if endpoint, err := containerEndpoint(); endpoint != "" || err != nil {
		return endpointcreds.New(endpoint, func(o *endpointcreds.Options) {
			o.HTTPClient = s.http
			o.AuthorizationToken = os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN")
			if file := os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); file != "" {
				o.AuthorizationTokenProvider = endpointcreds.TokenProviderFunc(
					func() (string, error) { return secretfile.Read(file) },
				)
			}
		}), err
	}
	return ec2rolecreds.New(func(o *ec2rolecreds.Options) {
		o.Client = imds.New(imds.Options{HTTPClient: s.http})
	}), nil
}

// containerEndpoint returns the address that gives credentials to a container. The token for it
// must not go to another machine in clear text.
func containerEndpoint() (string, error) {
	if relative := os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); relative != "" {
		return "http://169.254.170.2" + relative, nil
	}
	full := os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
	if full == "" {
		return "", nil
	}
	u, err := url.Parse(full)
	if err != nil || u.Scheme != "https" && !onMachine(u.Hostname()) {
		return "", errors.New("AWS_CONTAINER_CREDENTIALS_FULL_URI is neither an https URL nor an address of this machine")
	}
	return full, nil
}

// sayingWhy turns every error into one that says what is missing. The errors of the SDK list
// the addresses and files that it has tried.
type sayingWhy struct {
	aws.CredentialsProvider
	fromFile bool
}

func (c sayingWhy) Retrieve(ctx context.Context) (aws.Credentials, error) {
	found, err := c.CredentialsProvider.Retrieve(ctx)
	if err == nil || ctx.Err() != nil {
		return found, err
	}
	var missing *fs.PathError // of the token of a web identity
	detail := "the environment names none"
	switch {
	case c.fromFile: // an error of awsFile
		detail = err.Error()
	case errors.As(err, &missing):
		detail = missingFile(missing).Error()
	}
	return found, &fault{kind: errCredentials, op: "find credentials", detail: detail, cause: err}
}

// awsFile is a credentials file. The SDK reads such a file only once, so a new key would need a
// restart.
type awsFile string

// awsFileAge is how long the credentials of a file are used before it is read again.
const awsFileAge = time.Minute

// Retrieve implements aws.CredentialsProvider. Its errors contain nothing of the file's content.
func (f awsFile) Retrieve(context.Context) (aws.Credentials, error) {
	data, err := readCredentials(string(f))
	if err != nil {
		return aws.Credentials{}, err
	}
	values := iniSection(string(data), "default")
	c := aws.Credentials{AccessKeyID: values["aws_access_key_id"], SecretAccessKey: values["aws_secret_access_key"],
		SessionToken: values["aws_session_token"], Source: "file", CanExpire: true, Expires: time.Now().Add(awsFileAge)}
	if c.AccessKeyID == "" || c.SecretAccessKey == "" {
		return aws.Credentials{}, fmt.Errorf(
			"%s has no aws_access_key_id and aws_secret_access_key in the section [default]",
			string(f),
		)
	}
	return c, nil
}

// iniSection returns the keys and values of a section of an INI file.
func iniSection(text, section string) map[string]string {
	values := make(map[string]string)
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			inside = strings.Trim(line, "[] \t") == section
			continue
		}
		if key, value, found := strings.Cut(line, "="); found && inside && !strings.HasPrefix(line, "#") {
			values[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return values
}

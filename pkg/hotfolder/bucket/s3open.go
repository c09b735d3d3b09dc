package bucket

import (
	"cmp"
	"errors"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// ownRegion is the region that stores with their own endpoint usually expect.
const ownRegion = "us-east-1"

// openS3 makes a client for one bucket. It does not read the shared configuration of the SDK,
// because that sets clients and proxies of its own.
func (s *Stores) openS3(bucket string) (store, error) {
	o := s3.Options{
		AppID:                      "signstash-proxy", // in the User-Agent, for the logs of the store
		HTTPClient:                 s.http,
		Region:                     cmp.Or(s.cfg.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")),
		Retryer:                    aws.NopRetryer{}, // patience retries
		UsePathStyle:               s.cfg.PathStyle,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
		DisableLogOutputChecksumValidationSkipped: true,
	}
	if s.cfg.Endpoint != "" {
		o.BaseEndpoint = &s.cfg.Endpoint
		// Some stores refuse checksums in trailers, which the SDK adds by default.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.Region = cmp.Or(o.Region, ownRegion)
	}
	if o.Region == "" {
		return nil, errors.New("the region of the bucket is not set")
	}
	provider, err := s.awsCredentials(o.Region)
	if err != nil {
		return nil, err
	}
	o.Credentials = aws.NewCredentialsCache(sayingWhy{provider, s.cfg.CredentialsFile != ""})
	return &s3Store{client: s3.New(o), bucket: bucket, patience: s.patience, buffers: s.buffers}, nil
}

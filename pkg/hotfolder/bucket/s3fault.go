package bucket

import (
	"errors"
	"fmt"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// s3Kinds says what the error codes of S3 mean. Other codes are judged by their HTTP status.
var s3Kinds = map[string]error{
	"NoSuchKey":                    errNotFound,
	"NotFound":                     errNotFound,
	"NoSuchUpload":                 errNotFound,
	"NoSuchBucket":                 errNoBucket,
	"PreconditionFailed":           errCondition,
	"ConditionalRequestConflict":   errTransient, // a second write of the same key is under way
	"OperationAborted":             errTransient,
	"SlowDown":                     errTransient,
	"Throttling":                   errTransient,
	"ThrottlingException":          errTransient,
	"RequestLimitExceeded":         errTransient,
	"TooManyRequests":              errTransient,
	"RequestTimeout":               errTransient,
	"InternalError":                errTransient,
	"ServiceUnavailable":           errTransient,
	"AccessDenied":                 errDenied,
	"InvalidAccessKeyId":           errDenied,
	"SignatureDoesNotMatch":        errDenied,
	"ExpiredToken":                 errDenied,
	"InvalidToken":                 errDenied,
	"RequestTimeTooSkewed":         errDenied,
	"AuthorizationHeaderMalformed": errDenied,
	"NotImplemented":               errLacking,
	"MissingContentLength":         errLacking, // a store that takes a copy of a part for an upload
}

// fault returns the error of one attempt.
func (s *s3Store) fault(op string, err error) error {
	var known *fault
	if err == nil {
		return nil
	}
	if errors.As(err, &known) { // from our own code below the SDK
		return newFault(known.kind, op, s.bucket, known.detail, known.cause)
	}
	var answer smithy.APIError
	var response *awshttp.ResponseError
	status := 0
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	if errors.As(err, &answer) {
		kind, found := s3Kinds[answer.ErrorCode()]
		if !found {
			kind = kindOfStatus(status)
		}
		return newFault(kind, op, s.bucket, answer.ErrorCode()+": "+answer.ErrorMessage(), err)
	}
	if status != 0 {
		return newFault(kindOfStatus(status), op, s.bucket, fmt.Sprintf("HTTP status %d", status), err)
	}
	return newFault(errTransient, op, s.bucket, "", err)
}

// kindOfStatus judges an answer without a known error code.
func kindOfStatus(status int) error {
	switch {
	case status == http.StatusNotFound, status == http.StatusGone:
		return errNotFound
	case status == http.StatusPreconditionFailed:
		return errCondition
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return errDenied
	case status == http.StatusNotImplemented, status == http.StatusLengthRequired:
		return errLacking
	case status == http.StatusConflict,
		status == http.StatusRequestTimeout,
		status == http.StatusTooManyRequests,
		status >= 500,
		status == 0:
		return errTransient
	}
	return errOther
}

func isKind(err, kind error) bool { return errors.Is(err, kind) }

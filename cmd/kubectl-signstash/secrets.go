package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

const (
	secretType    = "signstash.io/client-service" // of the Secrets of client services
	secretPage    = 50                            // Secrets in one answer of the API server
	metadataTypes = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
)

// clientSecret is the part of a client Secret that the plugin reads. The API server has no way to
// send only some of the values. So the answer contains all of them, but the decoder skips the keys
// with secrets, and also the annotations, because kubectl apply copies the values there.
type clientSecret struct {
	Metadata struct {
		Name     string     `json:"name"`
		UID      types.UID  `json:"uid"`
		Deletion *time.Time `json:"deletionTimestamp"`
	} `json:"metadata"`
	Data struct {
		ClientID []byte `json:"clientId"`
		Config   []byte `json:"config"`
	} `json:"data"`
}

// provider returns the provider that the Secret names, and false if the config is broken. An empty
// name means the default provider.
func (s *clientSecret) provider() (name string, ok bool) {
	var config struct {
		Provider string `json:"provider"`
	}
	if len(s.Data.Config) > 0 && json.Unmarshal(s.Data.Config, &config) != nil {
		return "", false // the controller reports it
	}
	return config.Provider, true
}

// clientSecrets lists the Secrets of client services, ordered by name.
func (c *cluster) clientSecrets(ctx context.Context) (all []clientSecret, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for next := ""; ; {
		var list struct {
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
			Items []clientSecret `json:"items"`
		}
		text, err := c.api.CoreV1().RESTClient().Get().Namespace(c.namespace).Resource("secrets").
			SetHeader("Accept", "application/json").Param("fieldSelector", "type="+secretType).
			Param("limit", fmt.Sprint(secretPage)).Param("continue", next).Do(ctx).Raw()
		if err != nil {
			return nil, c.fault(err, right{"list", "secrets"})
		}
		if json.Unmarshal(text, &list) != nil { // the error's own text may quote a secret
			return nil, fmt.Errorf("list secrets: the API server did not answer with a list of Secrets")
		}
		all = append(all, list.Items...)
		if next = list.Metadata.Continue; next == "" {
			return all, nil
		}
	}
}

// inForce returns the ids of the client services that the controller has rendered, by the UID of
// their Secrets. It is nil if nothing is rendered yet.
func (c *cluster) inForce(ctx context.Context, name string) (map[types.UID]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	text, err := c.api.CoreV1().RESTClient().Get().Namespace(c.namespace).Resource("secrets").Name(name).
		SetHeader("Accept", "application/json").Do(ctx).Raw()
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, c.fault(err, right{"get", "secrets/" + name})
	}
	var secret struct {
		Data struct {
			Provenance []byte `json:"provenance.json"`
		} `json:"data"`
	}
	var origins map[string]struct {
		UID types.UID `json:"uid"`
	}
	if json.Unmarshal(text, &secret) != nil ||
		len(secret.Data.Provenance) > 0 && json.Unmarshal(secret.Data.Provenance, &origins) != nil {
		return nil, fmt.Errorf("the Secret %s was not written by the controller", name)
	}
	ids := make(map[types.UID]string, len(origins))
	for id, origin := range origins {
		ids[origin.UID] = id
	}
	return ids, nil
}

// exists reports whether a Secret still exists. It asks only for its metadata.
func (c *cluster) exists(ctx context.Context, name string, uid types.UID) bool {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var secret clientSecret
	text, err := c.api.CoreV1().RESTClient().Get().Namespace(c.namespace).Resource("secrets").Name(name).
		SetHeader("Accept", metadataTypes).Do(ctx).Raw()
	return err == nil && json.Unmarshal(text, &secret) == nil && secret.Metadata.UID == uid
}

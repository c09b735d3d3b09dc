module github.com/signstash-proxy/signstash-proxy/hack/kind/runc-bounded

go 1.26.0

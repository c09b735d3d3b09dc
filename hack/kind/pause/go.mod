module github.com/signstash-proxy/signstash-proxy/hack/kind/pause

go 1.26.0

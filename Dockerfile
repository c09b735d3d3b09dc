# The image is the programs, the certificate authorities of the world, and two folders. It builds on nothing and pulls nothing:
# hack/image makes its whole root file system in out/image first, then runs docker build.
FROM scratch

# Programs in /bin, authorities in /etc/ssl/certs, /home for the client file (mount it), /tmp (mode 1777) for the state.
COPY out/image/ /

# Tells the proxy that it runs in this image: its work folder is then /home. Nothing else says so on every container engine.
ENV SIGNSTASH_CONTAINER=1

# State must outlive the container: mount a volume here. Without one the engine makes a nameless one, which `docker rm -v` removes.
VOLUME /tmp

# REST and management. The second has no authentication: publish the first alone.
EXPOSE 8080 8081

# No name, no rights. The folders that are mounted must let this number in.
USER 65532:65532

# SIGTERM, which engines send, is the orderly stop. Give it longer than --shutdown.grace (25 s): docker run --stop-timeout=30.
ENTRYPOINT ["/bin/proxy"]

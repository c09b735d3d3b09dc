# The image holds the programs, the certificate authorities of the world, and two folders. It has no base image, and the build
# pulls nothing: hack/image first creates the root file system in out/image, and then runs docker build.
FROM scratch

# Programs are in /bin and authorities in /etc/ssl/certs. /home is for the client file (mount it), /tmp (mode 1777) for the state.
COPY out/image/ /

# Tells the proxy that it runs in this image, so that its work folder is /home. Nothing else shows this on every container engine.
ENV SIGNSTASH_CONTAINER=1

# The state must outlive the container: mount a volume here. Otherwise the engine creates an unnamed one, which `docker rm -v`
# removes.
VOLUME /tmp

# REST and management. The management port has no authentication: publish only the REST port.
EXPOSE 8080 8081

# A user without a name and without rights. Mounted folders must be accessible for this number.
USER 65532:65532

# Engines send SIGTERM, which stops the proxy in an orderly way. Give it longer than --shutdown.grace (25 s): docker run
# --stop-timeout=30.
ENTRYPOINT ["/bin/proxy"]

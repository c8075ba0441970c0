# One static binary in an empty image. Build: docker build -t mailferry .
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update -q && apt-get install -y -q --no-install-recommends gcc libc6-dev make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# Statically linked against glibc; names resolve in an empty root as well. The target is named so that build scripts and
# procedural macros, which must be loaded dynamically, are not built with these flags.
RUN target=$(rustc -vV | sed -n 's/^host: //p') \
 && RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target "$target" \
 && install -D "target/$target/release/mailferry" /out/usr/bin/mailferry \
 && install -d -m 0700 -o 10001 -g 10001 /out/var/lib/mailferry \
 && install -d -m 0755 /out/etc/mailferry \
 && install -d -m 1777 /out/tmp

FROM scratch
COPY --from=build /out/ /
# Trusted roots: mailferry carries Mozilla's for systems that have none.
USER 10001:10001
VOLUME /var/lib/mailferry
EXPOSE 2525
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["/usr/bin/mailferry", "health"]
ENTRYPOINT ["/usr/bin/mailferry"]
CMD ["run"]

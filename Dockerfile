# Two images from one file: `--target agent` is one file on Node.js, `--target backend` has all, with
# the embedded engine. Node.js runs as an ordinary user; everything that is kept lies in /data.
FROM node:20-bookworm-slim AS backend
WORKDIR /app
COPY . .
RUN npm ci --omit=dev && npm cache clean --force
ENV BINNACLE_DATA_DIR=/data NODE_ENV=production
RUN install -d -o node /data
VOLUME /data
USER node
EXPOSE 8080 14317
HEALTHCHECK --start-period=30s CMD ["node", "-e", "fetch('http://localhost:8080/health/ready').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "binnacle.mjs"]
CMD ["backend"]

FROM node:20-bookworm-slim AS agent
WORKDIR /app
COPY config config
COPY --from=backend /app/dist/agent.mjs ./
ENV BINNACLE_DATA_DIR=/data NODE_ENV=production
RUN install -d -o node /data
VOLUME /data
USER node
EXPOSE 4317 4318
ENTRYPOINT ["node", "agent.mjs"]
CMD ["agent"]

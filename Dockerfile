# Two images from one file: `--target agent` is without the embedded engine, `--target backend` has
# it. Node.js runs as an ordinary user; everything that is kept lies in /data.
FROM node:20-bookworm-slim AS source
WORKDIR /app
COPY package.json package-lock.json .npmrc ./

FROM source AS agent
RUN npm ci --omit=dev --omit=optional && npm cache clean --force
COPY . .
ENV BINNACLE_DATA_DIR=/data NODE_ENV=production
RUN install -d -o node /data
VOLUME /data
USER node
EXPOSE 4317 4318
ENTRYPOINT ["node", "binnacle.mjs"]
CMD ["agent"]

FROM source AS backend
RUN npm ci --omit=dev && npm cache clean --force
COPY . .
ENV BINNACLE_DATA_DIR=/data NODE_ENV=production
RUN install -d -o node /data
VOLUME /data
USER node
EXPOSE 8080 14317
HEALTHCHECK --start-period=30s CMD ["node", "-e", "fetch('http://localhost:8080/health/ready').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "binnacle.mjs"]
CMD ["backend"]

FROM node:24-slim AS build
WORKDIR /app
COPY package.json ./
RUN npm install
COPY . .
RUN npm run build

FROM node:24-slim
WORKDIR /app
COPY --from=build /app/.output ./.output
ENV HOST=0.0.0.0
ENV NODE_ENV=production
ENV PORT=3000
USER 10001:10001
EXPOSE 3000
CMD ["node", ".output/server/index.mjs"]

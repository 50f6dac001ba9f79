// The learning worker as the page sees it: requests with answers, and news of passes.

export class Session {
  constructor(onNews) {
    const text = document.getElementById("worker").textContent;
    this.address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    this.worker = new Worker(this.address);
    this.waiting = new Map();
    this.number = 0;
    this.worker.onmessage = ({ data }) => {
      if (data.answer === undefined) return onNews(data);
      const { resolve, reject } = this.waiting.get(data.answer);
      this.waiting.delete(data.answer);
      return data.fault === undefined ? resolve(data.value) : reject(new Error(data.fault));
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      onNews({ news: "fault", fault: event.message || "the learning stopped" });
    };
  }

  ask(request, content = {}, transfer = []) {
    const number = ++this.number;
    return new Promise((resolve, reject) => {
      this.waiting.set(number, { resolve, reject });
      this.worker.postMessage({ number, request, content }, transfer);
    });
  }
}

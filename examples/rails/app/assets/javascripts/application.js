// Shows what comes over Action Cable and the event stream, and says something itself once it can.
document.addEventListener("DOMContentLoaded", () => {
  const show = (list, text) => {
    const item = document.createElement("li")
    item.textContent = text
    document.querySelector(list).append(item)
  }

  const chat = ActionCable.createConsumer().subscriptions.create("ChatChannel", {
    connected() { chat.perform("speak", { text: "Grüße" }) },
    received(message) { show("#messages", message.text) },
  })

  const events = new EventSource("/events?count=5&every=0.05")
  events.onmessage = (event) => show("#events", event.data)
  events.addEventListener("end", () => events.close())
})

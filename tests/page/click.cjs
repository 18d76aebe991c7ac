// Clicks through the status page of a relay as a person would, and fails when what the page says is not what the relay does.
//
//   node click.cjs URL TOKEN FOLDER-FOR-SCREENSHOTS SMTP-PORT
'use strict';
const assert = require('node:assert/strict');
const net = require('node:net');
const { chromium } = require('playwright-core');
const [, , base, token, folder, port] = process.argv;

// What a hostile peer would like to be markup. Each would set window.hit if it became that.
const Evil = '<script>window.hit=1</script><img src=x onerror="window.hit=1">';

const headers = { Authorization: 'Bearer ' + token };
const get = async path => (await fetch(base + path, { headers })).json();
const held = async () => (await get('/api/queue?state=held')).items.map(item => item.id);
const suspended = async () => (await get('/api/sites/suspended')).suspensions.map(one => one.site);

/** Sends a message whose addresses look like markup; a domain cannot, so that the relay must refuse it. */
function sendEvil() {
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(port), '127.0.0.1'), replies = [];
    const says = ['EHLO client.test', 'MAIL FROM:<"<b>evil</b>"@client.test>', 'RCPT TO:<u@<script>.test>', 'RCPT TO:<"<script>window.hit=1</script>"@later.test>', 'DATA', 'Subject: <script>window.hit=1</script>\r\n\r\n.', 'QUIT'];
    let text = '';
    socket.on('data', chunk => {
      text += chunk;
      const last = text.split('\r\n').filter(line => /^\d{3} /.test(line)).length;
      if (last > replies.length) { replies.push(text); if (says.length) socket.write(says.shift() + '\r\n'); }
    });
    socket.on('end', () => { socket.end(); resolve(text); });
    socket.on('error', reject);
  });
}

// `port`: where a message is moved to, another each time: one that is there already is left as it is.
async function click(browser, name, width, height, colorScheme, port) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  const page = await context.newPage(), errors = [];
  page.on('pageerror', error => errors.push(String(error)));
  page.on('console', message => { if (message.type() === 'error' && !message.text().includes('401')) errors.push(message.text()); });
  page.on('request', request => { if (!request.url().startsWith(base)) errors.push('asked for ' + request.url()); });
  page.on('dialog', dialog => dialog.accept(dialog.type() === 'prompt' ? `smtp:[127.0.0.1]:${port}` : undefined));
  const said = start => page.waitForFunction(text => !document.querySelector('#message').hidden && document.querySelector('#message').textContent.startsWith(text), start);
  const look = async filter => { for (const [key, value] of Object.entries(filter)) await page.fill('#by-' + key, value); await page.click('#look'); };
  const picture = async part => { await page.waitForTimeout(300); await page.screenshot({ path: `${folder}/${name}${part}.png`, fullPage: part === '' }); };
  const fits = async what => assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0, `${what} sticks out to the side`);
  const panel = async pattern => page.waitForFunction(text => new RegExp(text).test(document.querySelector('#panel-body').textContent), pattern);
  const focused = () => page.evaluate(() => document.activeElement.dataset.key || document.activeElement.id);

  await page.goto(base + '/');
  await page.waitForSelector('#login:not([hidden])');
  await page.fill('#token', token);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#queue tr');
  assert.equal(await page.textContent('#state'), 'running');
  await page.waitForFunction(() => document.querySelectorAll('#rates polyline').length === 4);

  // The tiles: what was delivered has taken its time, and something is the oldest.
  await page.waitForFunction(() => /\d/.test(document.querySelector('#f-latency b').textContent));
  assert.match(await page.textContent('#f-latency'), /half within that, 99 % within .*recipient/);
  const oldest = (await get('/api/status')).oldest.id;
  assert.equal(await page.textContent('#f-oldest button'), oldest);
  assert.match(await page.textContent('#f-disk'), /segment.*sync group; nothing failed/);
  assert.match(await page.textContent('#f-dns'), /hits, .*misses, .*stale, .*timeout/);
  assert.match(await page.textContent('#f-tls'), /handshakes; failed/);

  // A rate that was learned, at a site of a source; the source; a tenant; a time that mail waits for; whose it is.
  await page.waitForFunction(() => [...document.querySelectorAll('#sites tr')].some(row => row.cells[0].textContent.includes('/out1') && row.textContent.includes('learned: ')), null, { timeout: 60000 });
  assert.match(await page.textContent('#sources'), /out1127\.0\.0\.2/);
  assert.equal(await page.evaluate(() => [...document.querySelectorAll('#tenants tr')].find(row => row.cells[0].textContent === 'acme').cells[1].textContent), '3');
  await look({ domain: 'later.test' });
  await page.waitForFunction(evil => [...document.querySelectorAll('#queue tr')].some(row => row.cells[3].textContent.startsWith('deferred') && /\d:\d\d/.test(row.cells[4].textContent) && row.cells[5].textContent.includes(evil)), Evil);
  await page.waitForFunction(() => [...document.querySelectorAll('#queue tr')].some(row => row.textContent.includes('"<script>window.hit=1</script>"@later.test') && row.textContent.includes('"<b>evil</b>"@client.test')));
  await look({ domain: '', tenant: 'acme' });
  await page.waitForFunction(() => { const rows = [...document.querySelectorAll('#queue tr')]; return rows.length === 3 && rows.every(row => row.cells[1].textContent.endsWith('tenant acme')); });
  await page.click('#queue button.link');
  await panel('tenantacme');
  await page.click('#close');
  await look({ tenant: '' });
  await page.waitForFunction(() => document.querySelectorAll('#queue tr').length > 3);
  await fits('the page');
  await picture('');
  await page.evaluate(() => window.scrollTo(0, 0));
  await picture('-top');

  // By the keyboard: the oldest message and back, where the focus was.
  await page.focus('#f-oldest button');
  await page.keyboard.press('Enter');
  await panel('waits for');
  assert.equal(await focused(), 'panel-name');
  assert.equal(await page.textContent('#panel-name'), oldest);
  await page.keyboard.press('Escape');
  await page.waitForSelector('#panel', { state: 'hidden' });
  assert.equal(await focused(), 'oldest');

  // A site: why it waits, limits, hosts, and its messages with their next attempts; from there to a message and back.
  const site = (await get('/api/sites')).sites.find(one => one.name.endsWith('/out1')).name;
  await page.focus(`[data-key="open ${site}"]`);
  await page.keyboard.press('Enter');
  await panel('waits for.*learned rate.*refusal.*127\\.0\\.0\\.1.*127\\.0\\.0\\.1:29650');
  assert.match(await page.textContent('#panel-body'), /send_sessions\d+ of/);
  await page.waitForFunction(() => document.querySelectorAll('#mail tr').length > 0);
  await fits('the panel');
  await picture('-site');
  await page.keyboard.press('Escape');
  const plain = (await get('/api/explain?target=later.test')).ways[0].site.name;
  await page.click(`[data-key="open ${plain}"]`);
  await page.waitForFunction(() => [...document.querySelectorAll('#mail tr')].some(row => /\d:\d\d.*, in /.test(row.cells[3].textContent)));
  await page.click('#mail button.link');
  await page.waitForFunction(one => document.querySelector('#panel-name').textContent !== one, plain);
  await panel('next attempt');
  await page.click('#back');
  await page.waitForFunction(one => document.querySelector('#panel-name').textContent === one, plain);
  await panel('gear');
  await page.click('[data-key=site-stop]');
  await said(`${plain}: suspended`);
  await panel('gearsuspended');
  assert.deepEqual(await suspended(), [plain]);
  await page.click('[data-key=site-stop]');
  await said(`${plain}: resumed`);
  assert.deepEqual(await suspended(), []);
  await page.click('#close');

  // A message: held, moved, released.
  const id = await page.textContent('#queue button.link');
  await page.click('#queue button.link');
  await panel('waits for');
  await page.click('[data-key=message-hold]');
  await said('hold: 1 message');
  assert.deepEqual(await held(), [id]);
  await panel('statehold|hold: the operator');
  await page.click('[data-key=message-move]');
  await said('move: 1 message');
  await panel(`moved by the operator to smtp:\\[127\\.0\\.0\\.1\\]:${port}\\b`);
  assert.deepEqual(await held(), [id]);
  await picture('-message');
  await page.click('#close');
  await page.selectOption('#by-state', 'held');
  await page.waitForFunction(one => [...document.querySelectorAll('#queue button.link')].map(b => b.textContent).join() === one, id);
  await page.click('#release-shown');
  await said('release: 1 message');
  assert.deepEqual(await held(), []);
  await page.selectOption('#by-state', '');

  // A tenant and a source: suspended, and resumed.
  for (const one of ['tenant:acme', 'source:out1']) {
    await page.click(`[data-key="stop ${one}"]`);
    await said(`${one}: suspended`);
    assert.deepEqual(await suspended(), [one]);
    await page.waitForFunction(key => document.querySelector(`[data-key="stop ${key}"]`).textContent === 'Resume', one);
    await page.click(`[data-key="stop ${one}"]`);
    await said(`${one}: resumed`);
    assert.deepEqual(await suspended(), []);
  }
  await page.click(`[data-key="retry ${plain}"]`);
  await said('retry: ');

  // What no relay would say, should it ever: nothing of it becomes markup either.
  const evilly = value => Array.isArray(value) ? value.map(evilly) : value && typeof value === 'object' ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, evilly(one)])) : typeof value === 'string' && !/^\d{4}-\d\d-/.test(value) ? Evil + value : value;
  const asEncoded = [encodeURIComponent(Evil), new URLSearchParams({ '': Evil }).toString().slice(1)];
  await page.route('**/api/**', async route => { const answer = await route.fetch({ url: asEncoded.reduce((url, evil) => url.replaceAll(evil, ''), route.request().url()) }); await route.fulfill({ response: answer, json: evilly(await answer.json()) }); });
  await page.reload();
  await page.waitForFunction(() => document.querySelectorAll('#sites tr').length > 0 && document.querySelectorAll('#queue tr').length > 0 && document.querySelector('#name').textContent.startsWith('<script>'));
  // The hostile host's own: its messages stay.
  await page.locator('#sites button.link', { hasText: plain }).click();
  await page.waitForFunction(() => document.querySelector('#panel-name').textContent.startsWith('<script>') && document.querySelector('#panel-body').textContent.includes('Limits') && document.querySelectorAll('#mail tr').length > 0);
  await page.click('#mail button.link');
  await page.waitForFunction(() => document.querySelector('#panel-body').textContent.includes('Where it goes'));
  await page.unroute('**/api/**');
  assert.equal(await page.evaluate(() => window.hit), undefined);
  assert.equal(await page.evaluate(() => document.querySelectorAll('script').length), 1);
  assert.equal(await page.evaluate(() => document.querySelectorAll('img').length), 0);
  await fits('hostile text');

  assert.deepEqual(errors, []);
  await context.close();
  console.log(`page: ${name} passed`);
}

(async () => {
  assert.match(await sendEvil(), /\r\n5\d\d [^]*\r\n250 2\.0\.0 queued as /);
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox'] });
  await click(browser, 'desktop-light', 1280, 900, 'light', 9);
  await click(browser, 'phone-dark', 390, 844, 'dark', 10);
  await click(browser, 'phone-light', 390, 844, 'light', 11);
  await click(browser, 'desktop-dark', 1280, 900, 'dark', 12);
  await browser.close();
})().catch(error => { console.error(error); process.exit(1); });

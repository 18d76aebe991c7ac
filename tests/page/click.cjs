// Clicks through the status page of a relay as a person would, and fails when what the page says is not what the relay does.
//
//   node click.cjs URL TOKEN FOLDER-FOR-SCREENSHOTS
'use strict';
const assert = require('node:assert/strict');
const { chromium } = require('playwright-core');
const [, , base, token, folder] = process.argv;

async function held() {
  const answer = await fetch(base + '/api/queue?state=held', { headers: { Authorization: 'Bearer ' + token } });
  return (await answer.json()).items.map(item => item.id);
}

async function click(browser, name, width, height, colorScheme) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  const page = await context.newPage(), errors = [];
  page.on('pageerror', error => errors.push(String(error)));
  page.on('dialog', dialog => dialog.accept(dialog.type() === 'prompt' ? 'smtp:[127.0.0.1]:9' : undefined));
  const said = start => page.waitForFunction(text => !document.querySelector('#message').hidden && document.querySelector('#message').textContent.startsWith(text), start);

  await page.goto(base + '/');
  await page.waitForSelector('#login:not([hidden])');
  await page.fill('#token', token);
  await page.click('#login button');
  await page.waitForSelector('#queue tr');
  assert.equal(await page.textContent('#state'), 'running');
  await page.waitForFunction(() => document.querySelectorAll('#rates polyline').length === 4);
  // A rate that was learned, at a site of a source; a time that mail waits for; whose it is.
  await page.waitForFunction(() => [...document.querySelectorAll('#sites tr')].some(row => row.cells[0].textContent.includes('/out1') && row.textContent.includes('learned: ')), null, { timeout: 60000 });
  await page.fill('#by-domain', 'later.test');
  await page.click('#look');
  await page.waitForFunction(() => [...document.querySelectorAll('#queue tr')].some(row => row.cells[3].textContent.startsWith('deferred') && /\d:\d\d/.test(row.cells[4].textContent)));
  await page.fill('#by-domain', '');
  await page.fill('#by-tenant', 'acme');
  await page.click('#look');
  await page.waitForFunction(() => { const rows = [...document.querySelectorAll('#queue tr')]; return rows.length === 3 && rows.every(row => row.cells[1].textContent.endsWith('tenant acme')); });
  await page.click('#queue button.link');
  await page.waitForSelector('#detail:not([hidden]) dl');
  assert.match(await page.textContent('#detail-ways'), /tenantacme/);
  await page.click('#close');
  await page.fill('#by-tenant', '');
  await page.click('#look');
  await page.waitForFunction(() => document.querySelectorAll('#queue tr').length > 3);
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });

  const id = await page.textContent('#queue button.link');
  await page.click('#queue button.link');
  await page.waitForSelector('#detail:not([hidden]) dl');
  assert.match(await page.textContent('#detail-ways'), /waits for/);
  await page.click('#detail [data-act=hold]');
  await said('hold: 1 message');
  assert.deepEqual(await held(), [id]);
  await page.click('#move');
  await said('move: 1 message');
  await page.waitForFunction(() => document.querySelector('#detail-ways').textContent.includes('moved by the operator to smtp:[127.0.0.1]:9'));
  assert.deepEqual(await held(), [id]);
  await page.selectOption('#by-state', 'held');
  await page.click('#look');
  await page.waitForFunction(one => [...document.querySelectorAll('#queue button.link')].map(b => b.textContent).join() === one, id);
  await page.screenshot({ path: `${folder}/${name}-message.png`, fullPage: true });
  await page.click('#release-shown');
  await said('release: 1 message');
  assert.deepEqual(await held(), []);
  await page.click('#close');
  await page.click('#sites button.link');
  assert.notEqual(await page.inputValue('#by-site'), '');
  await page.click('#sites tr td:last-child button');
  await said('retry: ');

  // Nothing sticks out to the side, and what came by mail has not become markup.
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
  assert.equal(await page.evaluate(() => document.querySelectorAll('script').length), 1);
  assert.deepEqual(errors, []);
  await context.close();
  console.log(`page: ${name} passed`);
}

(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox'] });
  await click(browser, 'desktop-light', 1280, 900, 'light');
  await click(browser, 'phone-dark', 390, 844, 'dark');
  await click(browser, 'phone-light', 390, 844, 'light');
  await click(browser, 'desktop-dark', 1280, 900, 'dark');
  await browser.close();
})().catch(error => { console.error(error); process.exit(1); });

import { expect, test } from 'vitest'
import { traitsOf } from './models.ts'

test.each([
  ['claude-3-haiku-20240307', 'none', 'off', 'free', false],
  ['claude-3-5-sonnet-latest', 'none', 'off', 'free', false],
  ['us.anthropic.claude-3-7-sonnet-20250219-v1:0', 'budget', 'off', 'free', false],
  ['claude-opus-4-20250514', 'budget', 'off', 'free', false],
  ['claude-sonnet-4-0', 'budget', 'off', 'free', false],
  ['claude-opus-4-1-20250805', 'budget', 'off', 'one', true],
  ['claude-sonnet-4-5-20250929', 'budget', 'off', 'one', true],
  ['anthropic/claude-haiku-4.5', 'budget', 'off', 'one', true],
  ['claude-sonnet-4-6', 'either', 'off', 'one', true],
  ['claude-opus-4-6@20260101', 'either', 'off', 'one', true],
  ['Claude-Opus-4-8', 'adaptive', 'off', 'none', true],
  ['claude-sonnet-5', 'adaptive', 'on', 'none', true],
  ['claude-opus-5-5', 'adaptive', 'always', 'none', true],
  ['claude-fable-5', 'adaptive', 'always', 'none', true],
  ['claude-opus-7', 'adaptive', 'always', 'none', true],
  ['glm-5', 'budget', 'off', 'free', false],
  ['my-claude', 'budget', 'off', 'free', false],
])('%s', (...row) => {
  const [model, thinking, unasked, sampling, structured] = row
  expect(traitsOf(model)).toMatchObject({ thinking, unasked, sampling, structured })
})
